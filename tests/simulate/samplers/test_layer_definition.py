"""Symbols of the layer's definition against numpy, torch's own operator, and another autodiff."""

import numpy as np
import pytest
import sympy as sp
import torch
from torch.func import grad
from torch.nn.functional import batch_norm

from bnproof.simulate.check import compare
from bnproof.simulate.samplers.autodiff import Measured
from bnproof.simulate.samplers.networks import LOSSES, Problems, draw
from bnproof.theory import symbols as sym
from bnproof.theory.claims.definition import (
    report_bn_transform,
    slides_batch_statistics,
    slides_bn_definition_bound,
)

SIZES = [2, 3, 16]


def fused(problems: Problems, k: int) -> torch.Tensor:
    """Problem k through PyTorch's operator, one channel."""
    gamma, beta = problems.gamma[k], problems.beta[k]
    column = problems.y[k].unsqueeze(-1)
    eps = problems.eps[k].item()
    return batch_norm(column, None, None, gamma, beta, training=True, eps=eps).squeeze(-1)


@pytest.mark.parametrize("m", SIZES)
def test_z_is_what_the_frameworks_operator_returns(m: int) -> None:
    problems = draw(12, m, "non-convex", 1, epsilons=(1e-5, 1e-3, 0.1))
    z = Measured(problems).value(sym.z_k)
    for k in range(12):
        assert torch.allclose(z[k], fused(problems, k), rtol=1e-11, atol=1e-12)


def test_in_a_convolution_the_batch_is_a_channel() -> None:
    """Equation (1) of Bjorck et al.: moments over samples and places."""
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(4, 3, 5, 6, generator=generator, dtype=torch.float64)
    gamma, beta = torch.randn(2, 3, generator=generator, dtype=torch.float64)
    eps = torch.full((3, 1), 0.1, dtype=torch.float64)
    y = images.transpose(0, 1).flatten(1)
    problems = Problems(y, gamma[:, None], beta[:, None], eps, lambda z: z.sum(-1))
    found = Measured(problems).value(sym.z_k).unflatten(1, (4, 5, 6)).transpose(0, 1)
    known = batch_norm(images, None, None, gamma, beta, training=True, eps=0.1)
    assert torch.allclose(found, known, rtol=1e-12, atol=1e-13)
    assert not compare(report_bn_transform.CLAIM.relation, Measured(problems)).violated.any()
    assert compare(report_bn_transform.CLAIM.control, Measured(problems)).violated.all()


def test_the_operator_keeps_the_unbiased_variance_for_evaluation() -> None:
    y = draw(1, 7, "non-convex", 3).y.T.contiguous()
    mean, var = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    batch_norm(y, mean, var, training=True, momentum=1.0)
    biased = Measured(draw(1, 7, "non-convex", 3)).value(sym.sigma) ** 2
    assert torch.allclose(var, biased * 7 / 6)


@pytest.mark.parametrize("m", SIZES)
def test_letters_agree_with_numpy(m: int) -> None:
    problems = draw(20, m, "squared error", 4)
    q = Measured(problems)
    y, eps = problems.y.numpy(), problems.eps.numpy()
    centred = y - y.mean(1, keepdims=True)
    sigma = np.sqrt((centred**2).mean(1, keepdims=True))
    hat = centred / np.sqrt(sigma**2 + eps)
    expected = {
        sym.mu: y.mean(1),
        sym.beta: problems.beta.numpy()[:, 0],
        sym.yy: (y**2).sum(1),
        sym.y_k: y,
        sym.centred_norm: np.linalg.norm(centred, axis=1),
        sym.hat_mean: hat.mean(1),
        sym.hat_std: np.std(hat, axis=1),
        sym.hat_norm: np.linalg.norm(hat, axis=1),
        sym.hat_gap: np.linalg.norm(centred / (sigma + eps) - hat, axis=1),
    }
    for symbol, value in expected.items():
        error = np.abs(q.value(symbol).numpy() - value)
        assert (error <= 1e-14 * q.magnitude(symbol).numpy()).all(), symbol


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_at_y_is_that_of_the_loss_alone(loss: str) -> None:
    problems = draw(15, 6, loss, 5)
    q = Measured(problems)
    at_y = grad(lambda y: problems.loss(y).sum())(problems.y)
    assert torch.allclose(q.value(sym.ll), at_y.square().sum(-1))
    assert torch.allclose(q.value(sym.l1), at_y.sum(-1), atol=1e-13)
    assert torch.allclose(q.value(sym.ly), (at_y * q.yhat.detach()).sum(-1), atol=1e-13)
    assert not torch.allclose(q.value(sym.ll), q.value(sym.gg))


def test_a_layer_that_is_the_identity_has_one_gradient() -> None:
    """gamma = s, beta = mu: z = y, and the symbols at y are those at z."""
    problems = draw(30, 8, "cross-entropy", 6)
    first = Measured(problems)
    gamma, beta = first.value(sym.s).unsqueeze(-1), first.value(sym.mu).unsqueeze(-1)
    q = Measured(Problems(problems.y, gamma, beta, problems.eps, problems.loss))
    assert torch.allclose(q.value(sym.z_k), problems.y, atol=1e-13)
    for at_y, at_z in [(sym.ll, sym.gg), (sym.l1, sym.g1), (sym.ly, sym.gy)]:
        assert torch.allclose(q.value(at_y), q.value(at_z), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_at_unchanged_scaling_the_gradient_is_shorter(sign: float) -> None:
    problems = draw(60, 8, "non-convex", 7)
    gamma = sign * Measured(problems).value(sym.s).unsqueeze(-1)
    q = Measured(Problems(problems.y, gamma, problems.beta, problems.eps, problems.loss))
    shorter = sym.gg - (sym.g1**2 + sym.gy**2) / sym.m
    assert not compare(sp.Le(sym.vv, shorter), q).violated.any()
    assert compare(sp.Le(sym.vv, shorter - sym.gy**2 / sym.m), q).violated.double().mean() > 0.4


def test_the_mean_is_0_for_every_eps() -> None:
    q = Measured(draw(200, 5, "non-convex", 8))
    assert not compare(sp.Eq(sym.hat_mean, 0), q).violated.any()
    assert compare(sp.Eq(sym.hat_mean, 1e-9), q).violated.all()


def test_a_tiny_error_in_a_definition_is_seen() -> None:
    q = Measured(draw(200, 8, "non-convex", 9))
    for claim in (report_bn_transform.CLAIM, slides_batch_statistics.CLAIM):
        lhs, rhs = claim.relation.args
        assert not compare(sp.Eq(lhs, rhs), q).violated.any()
        assert compare(sp.Eq(lhs, rhs * (1 + sp.Float("1e-9"))), q).violated.double().mean() > 0.9


def test_the_bound_between_the_layers_is_nearly_attained() -> None:
    q = Measured(draw(100, 8, "non-convex", 10, epsilons=(1e-5,)))
    bound = slides_bn_definition_bound.CLAIM.relation.rhs
    assert not compare(sp.Le(sym.hat_gap, bound), q).violated.any()
    assert compare(sp.Le(sym.hat_gap, bound * sp.Rational(99, 100)), q).violated.all()
