"""Symbols by autodiff against exact arithmetic, and against other routes of differentiation."""

from fractions import Fraction

import pytest
import sympy as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import grad, jvp, vmap

from bnproof.simulate.check import as_problem
from bnproof.simulate.samplers.autodiff import Measured
from bnproof.simulate.samplers.base import arrange, axes_of
from bnproof.simulate.samplers.definitions.losses import LOSSES
from bnproof.simulate.samplers.networks import EPSILONS, draw, normalise
from bnproof.theory import symbols as sym
from bnproof.theory.claim import Counterexample
from bnproof.theory.exact import evaluate as exact

small = st.integers(-3, 3).map(Fraction)


@given(
    b=st.lists(small, min_size=4, max_size=4),
    diagonal=st.lists(small, min_size=4, max_size=4),
    gamma=small,
    eps=st.sampled_from([Fraction(0), Fraction(5, 4)]),
)
def test_autodiff_agrees_with_rational_arithmetic_in_every_letter(
    b: list[Fraction], diagonal: list[Fraction], gamma: Fraction, eps: Fraction
) -> None:
    A = [[diagonal[i] if i == j else Fraction(i + j) for j in range(4)] for i in range(4)]
    case = Counterexample.of(y=[1, 1, -1, -1], b=b, A=A, gamma=gamma, eps=eps)
    measured = Measured(as_problem(case))
    for symbol, value in exact.measure(case).items():
        got, size = measured.value(symbol).item(), measured.magnitude(symbol).item()
        assert abs(got - float(value)) <= 1e-13 * max(size, abs(float(value))), symbol


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("m", [2, 3, 16])
def test_double_backward_agrees_with_jvp_of_grad(loss: str, m: int) -> None:
    measured = Measured(draw(40, m, loss, seed=1))
    problems, v = measured.problems, measured.v.detach()

    def total(y: torch.Tensor) -> torch.Tensor:
        z = problems.gamma * normalise(y, problems.eps) + problems.beta
        return problems.loss(z).sum()

    _, forward = jvp(grad(total), (problems.y,), (v,))
    backward = measured.hessian_at_y(v)
    assert torch.allclose(forward, backward, rtol=1e-9, atol=1e-12 * backward.abs().max().item())


def test_forward_agrees_with_the_fused_operator() -> None:
    y = torch.randn(16, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    eps = 1e-3
    fused = torch.nn.functional.batch_norm(y, None, None, training=True, eps=eps)
    primitive = normalise(y.T, torch.tensor(eps, dtype=torch.float64)).T
    assert torch.allclose(fused, primitive, rtol=1e-13, atol=1e-14)


def test_entries_of_the_jacobian_agree_with_vmap_of_reverse_mode() -> None:
    problems = draw(5, 4, "squared error", seed=2)
    eps = problems.eps.expand(-1, 4)
    rows = vmap(lambda y, e: torch.func.jacrev(lambda u: normalise(u, e))(y))(problems.y, eps)
    assert torch.allclose(Measured(problems).value(sym.J_ki), rows, rtol=1e-12, atol=1e-14)


def test_letters_of_a_constant_offset_do_not_change() -> None:
    """BN removes the mean: adding a constant to y changes no symbol but mu."""
    problems = draw(50, 8, "non-convex", seed=3, epsilons=(1e-3,))
    moved = type(problems)(
        problems.y + 1.0, problems.gamma, problems.beta, problems.eps, problems.loss
    )
    for symbol in (sym.vv, sym.vKv, sym.gy, sym.sigma):
        assert torch.allclose(Measured(problems).value(symbol), Measured(moved).value(symbol))


def test_the_same_seed_draws_the_same_problems_on_every_device(device: str) -> None:
    here, there = (draw(10, 5, "cross-entropy", 7, device=d) for d in ("cpu", device))
    for name in ("y", "gamma", "beta", "eps"):
        assert torch.equal(getattr(here, name), getattr(there, name).cpu())
    assert torch.equal(here.loss(here.y), there.loss(there.y).cpu()) or torch.allclose(
        here.loss(here.y), there.loss(there.y).cpu(), rtol=1e-13
    )


def test_other_seeds_draw_other_problems() -> None:
    assert not torch.equal(draw(10, 5, "non-convex", 7).y, draw(10, 5, "non-convex", 8).y)


def test_eps_cycles_through_its_values() -> None:
    drawn = draw(8, 3, "squared error", 0).eps.squeeze(-1).tolist()
    assert drawn == [*EPSILONS, *EPSILONS]


def test_axes_broadcast_in_the_order_k_i_l() -> None:
    assert axes_of([sym.yhat_l, sym.delta_ki]) == "kil"
    assert axes_of([sym.m, sym.gg]) == ""
    assert arrange(torch.zeros(2, 3, 3), sym.delta_kl, "kil").shape == (2, 3, 1, 3)
    assert arrange(torch.zeros(2), sym.s, "ki").shape == (2, 1, 1)


def test_every_letter_of_a_relation_is_measured() -> None:
    measured = Measured(draw(2, 3, "non-convex", 0))
    for symbol, entry in sym.SYMBOLS.items():
        if symbol in (sym.mu, sym.J_ki, sym.T_kil) or not isinstance(symbol, sp.Symbol):
            continue
        try:
            value = measured.value(symbol)
        except KeyError:
            continue
        assert value.dim() == 1 + len(entry.axes), symbol
