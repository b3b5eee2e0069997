"""Linear networks: laws of weights against sampling, derivatives against finite steps."""

import pytest
import torch

from bnproof.simulate.check import compare
from bnproof.simulate.samplers import deep_linear
from bnproof.theory.claim import Claim
from bnproof.theory.claims.weights import (
    bjorck_one_matrix,
    bjorck_two_values,
    bjorck_variance_kept,
)
from bnproof.theory.training import deep_linear as theory


def test_every_third_law_is_that_of_the_source() -> None:
    q = deep_linear.draw(9, 3, 0, "cpu")
    assert q.low[::3].tolist() == [0.0] * 3
    assert q.high[::3].tolist() == [100.0] * 3
    assert ((q.high - q.low) * 3**0.5 >= 2).all()


def test_all_weight_vectors_are_listed_and_their_probabilities_add_up() -> None:
    q = deep_linear.draw(6, 4, 1, "cpu")
    weights, probability = q.listed
    assert weights.shape == (6, 16, 4)
    assert len(set(map(tuple, weights[1].tolist()))) == 16
    assert torch.allclose(probability.sum(1), torch.ones(6, dtype=torch.float64), rtol=1e-14)


def test_the_variance_is_that_of_drawn_weights() -> None:
    q = deep_linear.draw(5, 3, 2, "cpu")
    generator = torch.Generator().manual_seed(0)
    for i in (1, 2, 4):  # the others have values so rare that sampling meets none
        drawn = torch.rand(400_000, 3, generator=generator) < q.chance[i]
        weights = torch.where(drawn, q.high[i], q.low[i])
        sampled = (weights * q.x[i]).sum(1).var()
        assert torch.isclose(sampled, q.value(theory.spread_out)[i], rtol=0.05)


def test_derivatives_are_those_of_small_steps() -> None:
    q = deep_linear.draw(20, 2, 3, "cpu")
    step = 1e-4
    up, down = q.loss(step * q.change), q.loss(-step * q.change)
    middle = q.value(theory.loss_at)
    assert torch.allclose((up - down) / (2 * step), q.value(theory.slope), rtol=1e-6, atol=1e-6)
    second = (up + down - 2 * middle) / step**2
    assert torch.allclose(second, q.value(theory.bend), rtol=1e-4, atol=1e-4)


def test_of_two_matrices_together_the_loss_is_not_quadratic() -> None:
    """What the claim says of one matrix is false of the product."""
    q = deep_linear.draw(20, 2, 4, "cpu")
    moved = [
        deep_linear.Linear(q.x, (q.low, q.high), q.layers + t * q.layers.flip(0), 0, q.change)
        for t in (0.0, 1.0, 2.0, 3.0)
    ]
    losses = torch.stack([each.value(theory.loss_at) for each in moved])
    third = losses[3] - 3 * losses[2] + 3 * losses[1] - losses[0]
    assert (third.abs() > 1e-6 * losses.abs().amax(0)).all()


@pytest.mark.parametrize(
    "claim",
    [bjorck_one_matrix.CLAIM, bjorck_two_values.CLAIM, bjorck_variance_kept.CLAIM],
    ids=lambda claim: claim.id,
)
def test_rounding_stays_far_below_the_tolerance_and_controls_fail(claim: Claim) -> None:
    for n in (2, 5):
        q = deep_linear.draw(300, n, 5, "cpu")
        assert claim.relation is not None
        assert claim.control is not None
        assert compare(claim.relation, q).excess.max() < 1e-13
        assert compare(claim.control, q).violated.all()
