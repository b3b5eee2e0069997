"""The samplers of least squares, features, rows, convolutions and networks, by other routes."""

import pytest
import sympy as sp
import torch

from bnproof.simulate.check import compare, inside
from bnproof.simulate.samplers import convolution, covariate_shift, cross_entropy, features
from bnproof.simulate.samplers import least_squares as quadratics
from bnproof.theory.claim import RandomTest
from bnproof.theory.claims.sgd import bjorck_condition_number_lr, feature_scaling_uncorrelated
from bnproof.theory.training import backprop
from bnproof.theory.training import covariate_shift as symbols
from bnproof.theory.training import least_squares as theory


def test_the_hessian_is_the_gram_matrix() -> None:
    problem = quadratics.draw(30, 4, 0, "cpu").first
    gram = problem.matrix.mT @ problem.matrix
    assert torch.allclose(problem.hessian, gram, rtol=1e-12, atol=1e-12)


def test_a_gradient_holds_a_graph_only_if_asked() -> None:
    problem = quadratics.draw(2, 3, 0, "cpu").first
    x = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    assert not problem.gradient(x).requires_grad
    assert problem.gradient(x, create_graph=True).requires_grad


def test_gradient_descent_itself_has_the_measured_factor_and_limit() -> None:
    """Run it: at the limit the error stays, beyond it grows, below it shrinks by the factor."""
    problem = quadratics.draw(20, 3, 1, "cpu").first
    solution = torch.linalg.lstsq(problem.matrix, problem.target.unsqueeze(-1)).solution.squeeze(-1)
    _, _, basis = torch.linalg.svd(problem.matrix, full_matrices=False)

    def growth(rate: torch.Tensor) -> torch.Tensor:
        errors = []
        for k in range(basis.shape[1]):
            x = (solution + basis[:, k]).requires_grad_()
            moved = x - rate.unsqueeze(-1) * problem.gradient(x)
            errors.append((moved - solution).norm(dim=-1))
        return torch.stack(errors).amax(0)

    assert torch.allclose(growth(problem.limit), torch.ones(20, dtype=torch.float64), rtol=1e-9)
    assert (growth(problem.limit * 1.01) > 1.001).all()
    assert (growth(problem.limit * 0.99) < 1).all()
    assert (growth(problem.limit * 0.7) >= problem.best - 1e-9).all()


def test_the_second_problem_is_the_worse_conditioned_one() -> None:
    pairs = quadratics.draw(300, 3, 2, "cpu")
    assert inside(theory.WORSE, pairs).all()
    violated = compare(bjorck_condition_number_lr.CLAIM.relation, pairs).violated.double().mean()
    assert 0.2 < violated < 0.8


def test_refused_sizes() -> None:
    with pytest.raises(ValueError, match="unknowns >= 2"):
        quadratics.draw(1, 1, 0, "cpu")
    for m in (4, 12):
        with pytest.raises(ValueError, match="power of 2"):
            features.sign_patterns(m)


def test_drawn_features_are_uncorrelated_exactly() -> None:
    claim = feature_scaling_uncorrelated.CLAIM
    spec = claim.check_of(RandomTest)
    for _, drawn in features.batches(spec, claim.domain, 50, 0, "cpu"):
        assert inside(claim.domain, drawn).all()
        assert (drawn.value(theory.largest_correlation) == 0).all()
    drawn = features.draw(50, 8, 0, "cpu", correlated=True)
    assert not inside(claim.domain, drawn).any()


def test_uncorrelated_features_are_small_combinations_of_patterns_of_their_own() -> None:
    data = features.draw(200, 8, 0, "cpu", correlated=False).data
    # The patterns are orthogonal: products with them are 8 times the coefficients.
    coefficients = features.sign_patterns(8)[:, 1:].mT @ data / 8
    used = coefficients != 0
    assert (used.sum(-1) == 1).all()  # no pattern is in two features
    assert coefficients[used].unique().tolist() == [-4, -3, -2, -1, 1, 2, 3, 4]


def test_stretch_agrees_with_singular_values() -> None:
    drawn = features.draw(50, 32, 1, "cpu", correlated=True)
    values = torch.linalg.svdvals(drawn.centred / drawn.deviations)
    assert torch.allclose(drawn.value(theory.stretch), (values[:, 0] / values[:, 1]).square())


def test_rows_agree_with_softmax_minus_one_hot() -> None:
    spec = RandomTest(sizes=(4,), sampler="cross_entropy")
    ((_, rows),) = cross_entropy.batches(spec, sp.true, 40, 0, "cpu")
    one_hot = torch.nn.functional.one_hot(rows.target, 4)
    assert torch.allclose(rows.gradient, rows.logits.softmax(1) - one_hot, atol=1e-15)
    assert (rows.value(backprop.negative_true) == 1).all()
    assert (rows.value(backprop.negative_other) == 0).all()


def test_grouped_convolution_is_that_of_each_problem() -> None:
    spec = RandomTest(sizes=(4,), sampler="convolution")
    ((_, drawn),) = convolution.batches(spec, sp.true, 6, 0, "cpu")
    for k in range(6):
        alone = torch.nn.functional.conv2d(drawn.images[k], drawn.kernel[k], padding=1)
        assert torch.allclose(drawn.output[k], alone, rtol=1e-12, atol=1e-13)
    assert not compare(sp.Eq(backprop.kernel_gradient, backprop.correlation), drawn).violated.any()
    assert compare(sp.Eq(backprop.kernel_gradient, backprop.flipped), drawn).violated.all()


def test_covariate_shift_by_hand() -> None:
    """The gradient with only the last layer replaced, each network by itself."""
    spec = RandomTest(sizes=(3,), sampler="covariate_shift")
    ((_, nets),) = covariate_shift.batches(spec, sp.true, 4, 0, "cpu")
    mixed = [*nets.updated[:2], nets.layers[2]]
    change = nets.gradient(nets.layers, 3) - nets.gradient(mixed, 3)
    assert torch.allclose(nets.value(symbols.shift), change.flatten(1).norm(dim=1))
    assert (nets.value(symbols.shift) > 1e-6).all()
    assert (nets.value(symbols.first_shift) == 0).all()
    # The first layer's two gradients cancel: each has its length.
    weights = [weight.clone().requires_grad_() for weight in nets.layers]
    (first, *_) = torch.autograd.grad(nets.loss(weights).sum(), weights)
    size = nets.magnitude(symbols.first_shift)
    assert torch.allclose(size, 2 * first.flatten(1).norm(dim=1))
    assert (nets.value(symbols.full_shift) > 1e-6).all()
    assert (nets.value(symbols.cosine).abs() <= 1).all()
