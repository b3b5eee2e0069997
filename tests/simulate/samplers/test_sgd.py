"""The sampler of minibatches: exact means over all batches, against sampling and by hand."""

import pytest
import torch

from bnproof.simulate.check import compare
from bnproof.simulate.samplers import sgd
from bnproof.theory.claims.sgd import bjorck_sgd_noise, sgd_noise_without_replacement
from bnproof.theory.training import sgd as theory


def test_all_batches_are_listed() -> None:
    steps = sgd.draw(2, 4, 2, 2, 0, "cpu")
    assert steps.ordered(2).shape == (16, 2)
    assert steps.subsets().tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert len(set(map(tuple, steps.ordered(3).tolist()))) == 64


def test_expectations_agree_with_sampling() -> None:
    steps = sgd.draw(3, 4, 2, 2, 1, "cpu")
    generator = torch.Generator().manual_seed(0)
    batches = torch.randint(4, (200_000, 2), generator=generator)
    sampled = steps.errors(batches).square().sum(-1).mean(1)
    assert torch.allclose(sampled, steps.value(theory.noise), rtol=0.02)


def test_gradients_are_those_of_single_examples() -> None:
    """One backward pass for all examples against the derivative of the mean loss."""
    steps = sgd.draw(5, 3, 1, 2, 7, "cpu")
    generator = torch.Generator().manual_seed(7)
    inputs = torch.randn(5, 3, sgd.WEIGHTS, generator=generator, dtype=torch.float64)
    target = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    weights = torch.randn(5, 1, sgd.WEIGHTS, generator=generator, dtype=torch.float64)
    out = torch.tanh((inputs * weights).sum(-1))
    chain = ((out - target) * (1 - out**2)).unsqueeze(-1) * inputs
    assert torch.allclose(steps.gradients, chain, rtol=1e-13)
    assert torch.allclose(steps.value(theory.grad_k), chain.mean(1), rtol=1e-13, atol=1e-16)


def test_a_full_batch_has_no_noise() -> None:
    steps = sgd.draw(20, 2, 2, 2, 3, "cpu")
    assert steps.value(theory.noise_without).max() < 1e-30
    assert steps.value(theory.noise).min() > 0


@pytest.mark.parametrize("claim", [bjorck_sgd_noise.CLAIM, sgd_noise_without_replacement.CLAIM])
def test_rounding_stays_far_below_the_tolerance_and_controls_fail(claim: object) -> None:
    for size, factor in sgd.SETTINGS:
        steps = sgd.draw(100, 5, size, factor, 2, "cpu")
        assert compare(claim.relation, steps).excess.max() < 1e-14  # type: ignore[attr-defined]
        wrong = compare(claim.control, steps).violated  # type: ignore[attr-defined]
        assert wrong.all() if size > 1 else not wrong.any()


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(ValueError, match="1 <= batch size <= examples"):
        sgd.draw(1, 2, 3, 1, 0, "cpu")
