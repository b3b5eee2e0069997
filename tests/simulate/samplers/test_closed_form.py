"""Closed forms against automatic differentiation: every symbol, every regime, loss and size."""

import pytest
import sympy as sp
import torch

from bnproof.simulate.relation import TOLERANCE
from bnproof.simulate.samplers.autodiff import Measured
from bnproof.simulate.samplers.closed_form import BOUNDS, Closed, Rounded, evaluate
from bnproof.simulate.samplers.definitions.losses import LOSSES
from bnproof.simulate.samplers.definitions.regimes import REGIMES
from bnproof.simulate.samplers.networks import EPSILONS, GAMMAS, Problems, draw
from bnproof.simulate.samplers.unit import Unit
from bnproof.theory import symbols as sym

ENTRIES = {sym.J_ki, sym.T_kil, sym.delta_ki, sym.delta_kl, sym.delta_il}
FLOOR = {dtype: torch.finfo(dtype).tiny / torch.finfo(dtype).eps for dtype in TOLERANCE}


def missing(q: Closed, symbol: sp.Symbol) -> torch.Tensor | float:
    """What the magnitude of a symbol leaves out because both sides of a relation share it."""
    hat, eps = q.hat_terms, torch.finfo(q.y.dtype).eps
    P = q.eye() + (1 + hat[:, :, None] * hat[:, None]) / q.m if symbol in ENTRIES else None
    s = q.scale.unsqueeze(-1)
    if symbol is sym.grad_yhat:
        return (q.problems.gamma * q.g_terms).norm(dim=-1)
    if symbol is sym.J_ki:
        return P / s
    if symbol is sym.T_kil:
        return 3 * torch.einsum("ki,kjl->kijl", hat, P) / (q.m * s.unsqueeze(-1).square())
    if symbol in (sym.ll, sym.l1, sym.ly):
        terms = q.loss.terms(q.y)[0]
        rounded = 2 * q.at_y.abs() + eps * terms
        return (terms * {sym.ll: rounded, sym.l1: 1.0, sym.ly: hat}[symbol]).sum(-1)
    return 0.0


def errors(problems: Problems) -> dict[sp.Symbol, float]:
    """For each symbol the largest difference of the two paths over the terms that cancel."""
    known, found = Measured(problems), Rounded(problems)
    worst = {}
    for symbol in Unit.VALUES:
        if symbol in ENTRIES and problems.y.shape[-1] > 4:
            continue
        size = found.magnitude(symbol) + missing(found, symbol)
        difference = (known.value(symbol) - found.value(symbol)).abs()
        assert torch.isfinite(difference).all(), symbol
        assert torch.isfinite(size).all(), symbol
        worst[symbol] = (difference / (size + FLOOR[size.dtype])).max().item()
    return worst


@pytest.mark.parametrize("m", [2, 3, 4, 64, 513, 4096])
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_letter_agrees_with_autodiff(loss: str, regime: str, m: int, device: str) -> None:
    """All eps and factors on gamma; symbols with several axes at small m only."""
    count = len(EPSILONS) * len(GAMMAS)
    problems = draw(count, m, loss, 11, regime=regime, gammas=GAMMAS, device=device)
    for symbol, error in errors(problems).items():
        assert error < TOLERANCE[torch.float64] / 100, symbol


@pytest.mark.parametrize("m", [2, 3, 64, 513])
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("loss", LOSSES)
def test_float32_agrees_to_its_own_tolerance(loss: str, regime: str, m: int) -> None:
    problems = draw(12, m, loss, 12, regime=regime, gammas=(1.0, 1e-2, 1e2), dtype=torch.float32)
    for symbol, error in errors(problems).items():
        assert error < TOLERANCE[torch.float32] / 100, symbol


@pytest.mark.parametrize("loss", LOSSES)
def test_hessians_agree_along_any_direction(loss: str) -> None:
    problems = draw(24, 7, loss, 13)
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(24, 7, generator=generator, dtype=torch.float64)
    known, found = Measured(problems), Closed(problems)
    for name in ("hessian_at_z", "hessian_at_y"):
        left, right = getattr(known, name)(u), getattr(found, name)(u)
        size = left.abs().amax(-1, keepdim=True) + 1e-3
        assert ((left - right).abs() / size).max() < 1e-11, name


def test_a_wrong_formula_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A projector without its last term, or a Hessian half as large, is far off."""
    problems = draw(24, 8, "logistic", 14)
    monkeypatch.setattr(Closed, "project", lambda q, u: u - u.mean(-1, keepdim=True))
    assert errors(problems)[sym.vv] > 1e-3
    monkeypatch.undo()
    monkeypatch.setattr(Closed, "hessian_at_z", lambda q, u: q._at_z[1](u) / 2)
    assert errors(problems)[sym.vHv] > 1e-3


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_slices_change_nothing(size: int) -> None:
    problems = draw(100, 8, "cross-entropy", 15)
    whole, sliced = Closed(problems), evaluate(problems, size=size)
    for symbol in BOUNDS:
        assert torch.allclose(sliced[symbol], whole.value(symbol), rtol=1e-12, atol=0), symbol
    assert not any(value.requires_grad for value in sliced.values())


def test_a_loss_without_closed_form_is_refused() -> None:
    problems = draw(3, 4, "logistic", 0)
    own = Problems(problems.y, problems.gamma, problems.beta, problems.eps, lambda z: z.sum(-1))
    with pytest.raises(TypeError, match="no closed form of a function"):
        Closed(own)
    with pytest.raises(TypeError, match="cannot be sliced"):
        own.take(slice(0, 1))
