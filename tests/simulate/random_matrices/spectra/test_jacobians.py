"""Jacobians at initialisation against automatic differentiation and against their laws."""

import numpy as np
import pytest
import torch

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.laws.products import ProductLaw
from bnproof.simulate.random_matrices.spectra.goodness_of_fit import distance
from bnproof.simulate.random_matrices.spectra.jacobians import (
    Activation,
    Norm,
    factors_of,
    jacobians,
)
from bnproof.simulate.random_matrices.spectra.spectrum import SingularLaw

CASES: list[tuple[Norm, Activation]] = [
    (norm, activation) for norm in ("none", "layer", "batch") for activation in ("linear", "relu")
]


def derivative(weights: list[Array], x: Array, norm: Norm, activation: Activation) -> Array:
    """The Jacobian of the network by automatic differentiation."""

    def network(x: torch.Tensor) -> torch.Tensor:
        for W in weights:
            x = torch.from_numpy(W) @ x
            if norm != "none":
                axis = 1 if norm == "batch" else 0
                x = x - x.mean(axis, keepdim=True)
                x = x / x.square().mean(axis, keepdim=True).sqrt()
            x = torch.relu(x) if activation == "relu" else x
        return x

    found = torch.autograd.functional.jacobian(network, torch.from_numpy(x))
    assert isinstance(found, torch.Tensor)
    return found.reshape(weights[-1].shape[0] * x.shape[1], -1).numpy()


@pytest.mark.parametrize(("norm", "activation"), CASES)
@pytest.mark.parametrize("widths", [[6, 6, 6, 6], [7, 5, 9], [9, 4]])
def test_singular_values_are_those_of_the_derivative(
    norm: Norm, activation: Activation, widths: list[int]
) -> None:
    samples = 5 if norm == "batch" else 1
    for seed in range(3):
        weights: list[Array] = []
        inputs: list[Array] = []
        rng = np.random.default_rng(seed)
        product = np.eye(widths[0] * samples)
        for factor in factors_of(widths, samples, norm, activation, rng, weights, inputs):
            product = factor @ product
        exact = np.linalg.svd(derivative(weights, inputs[0], norm, activation), compute_uv=False)
        values = np.linalg.svd(product, compute_uv=False)
        both = min(len(exact), len(values))
        np.testing.assert_allclose(values[:both], exact[:both], atol=1e-13 * exact[0])
        assert (exact[both:] < 1e-13 * exact[0]).all()


@pytest.mark.parametrize(("norm", "activation"), CASES)
def test_directions_that_are_removed_are_no_small_numbers(
    norm: Norm, activation: Activation
) -> None:
    """The smallest value that counts as nonzero is one: a plain product has smaller ones."""
    found = jacobians([12, 12, 12], 12, norm=norm, activation=activation, batch=6, seed=1)
    assert found.condition.max() < 8


@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize("norm", ["none", "layer"])
def test_the_law(norm: Norm, activation: Activation) -> None:
    widths = [160, 240, 120]
    found = jacobians(widths, 8, norm=norm, activation=activation, seed=2)
    law = found.law
    assert law is not None
    values = np.exp(np.concatenate(found.values))
    assert distance(values, law) < 0.03
    # The other activation's law, and that of another mean square.
    other = jacobians(widths, 1, activation="linear" if activation == "relu" else "relu").law
    assert other is not None
    assert distance(values, other) > 0.1
    assert distance(1.3 * values, law) > 0.05


def test_the_law_of_no_activation_is_that_of_the_product() -> None:
    found = jacobians([20, 30, 10], 2)
    assert found.law is not None
    x = np.array([0.1, 0.5, 1.0])
    squares = ProductLaw.of_widths([20, 30, 10])
    np.testing.assert_array_equal(found.law.cdf(x), SingularLaw([20, 30, 10], squares).cdf(x))


def test_batch_norm_has_no_law_and_an_exact_rank() -> None:
    found = jacobians([10, 10, 10], 2, norm="batch", batch=7)
    assert found.law is None
    assert found.logs.shape == (2, 10 * (7 - 2))
    assert np.isfinite(found.logs).all()
    numbers = found.numbers()
    assert numbers["distance from the law, one product, mean"] is None
    assert numbers["support of the law"] is None
