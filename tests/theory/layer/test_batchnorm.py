"""Derivations for symbolic m against brute-force differentiation at m = 2, 3, 4."""

import pytest
import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.layer import batchnorm
from bnproof.theory.proving.derivation import Derivation, ProofError
from bnproof.theory.proving.gram import Space


def brute_force(size: int) -> tuple[list[sp.Symbol], list[sp.Expr], sp.Symbol]:
    """The layer written out with indices: a path that shares nothing with the Gram algebra."""
    y = list(sp.symbols(f"y1:{size + 1}", real=True))
    e = sp.Symbol("e", positive=True)
    mean = sum(y) / size
    variance = sum((entry - mean) ** 2 for entry in y) / size
    return y, [(entry - mean) / sp.sqrt(variance + e) for entry in y], e


def values_at(size: int) -> dict[sp.Symbol, sp.Rational]:
    y, _, e = brute_force(size)
    return dict(zip([*y, e], [sp.Rational(n * n + 1, n + 2) for n in range(size + 1)], strict=True))


def symbols(size: int, **axes: int) -> dict[sp.Symbol, sp.Expr]:
    """Numbers for the entry symbols at one index choice, from the written-out layer."""
    _, yhat, e = brute_force(size)
    at = values_at(size)
    y = [at[symbol] for symbol in brute_force(size)[0]]
    mean = sum(y) / size
    variance = sum((entry - mean) ** 2 for entry in y) / size
    table = {sym.m: size, sym.s: sp.sqrt(variance + at[e]), sym.eps: at[e]}
    for axis, index in axes.items():
        table[getattr(sym, f"yhat_{axis}")] = yhat[index].subs(at)
    pairs = {"ki": sym.delta_ki, "kl": sym.delta_kl, "il": sym.delta_il}
    for (a, b), symbol in pairs.items():
        if a in axes and b in axes:
            table[symbol] = int(axes[a] == axes[b])
    return table


@pytest.mark.parametrize("size", [2, 3, 4])
def test_jacobian_entries_match_brute_force(size: int) -> None:
    y, yhat, _ = brute_force(size)
    formula, at = batchnorm.jacobian_entry(), values_at(size)
    for k in range(size):
        for i in range(size):
            direct = sp.diff(yhat[k], y[i]).subs(at)
            assert sp.simplify(direct - formula.subs(symbols(size, k=k, i=i))) == 0


@pytest.mark.parametrize("size", [2, 3, 4])
def test_hessian_entries_match_brute_force(size: int) -> None:
    y, yhat, _ = brute_force(size)
    formula, at = batchnorm.hessian_entry(), values_at(size)
    for k, i, j in [(0, 0, 0), (0, 0, 1), (1, 0, 0), (0, 1, 1), (size - 1, 0, 1)]:
        direct = sp.diff(yhat[k], y[i], y[j]).subs(at)
        assert sp.simplify(direct - formula.subs(symbols(size, k=k, i=i, l=j))) == 0


@pytest.mark.parametrize("size", [2, 3, 4])
def test_gradient_and_curvature_match_brute_force(size: int) -> None:
    """The derived |v|^2 and v'Kv for a quadratic loss, every symbol computed with indices."""
    y, yhat, _ = brute_force(size)
    at = values_at(size)
    gamma = sp.Rational(-3, 2)
    A = sp.Matrix(size, size, lambda i, j: sp.Rational(i + j + 1, 3) if i != j else i - 1)
    b = sp.Matrix([sp.Rational(n, 2) - 1 for n in range(size)])
    hat = sp.Matrix(yhat).subs(at)
    z = gamma * sp.Matrix(yhat)
    loss = (z.T * A * z)[0] / 2 + (b.T * z)[0]
    v = sp.Matrix([sp.diff(loss, entry) for entry in y]).subs(at)
    K = sp.hessian(loss, y).subs(at)
    g = A * (gamma * hat) + b
    ones = sp.ones(size, 1)
    P = sp.eye(size) - ones * ones.T / size - hat * hat.T / size
    table = symbols(size) | {
        sym.gamma: gamma,
        sym.g1: sum(g),
        sym.gy: (g.T * hat)[0],
        sym.gg: (g.T * g)[0],
        sym.vHv: (v.T * A * v)[0],
        sym.PvHPv: (v.T * P * A * P * v)[0],
        sym.vy: (v.T * hat)[0],
        sym.gPv: (g.T * P * v)[0],
        sym.vPv: (v.T * P * v)[0],
    }
    d = Derivation()
    batchnorm.curvature_steps(d)
    assert sp.simplify(d.values[sym.vv].subs(table) - (v.T * v)[0]) == 0
    assert sp.simplify(batchnorm.EXACT_CURVATURE.subs(table) - (v.T * K * v)[0]) == 0


def test_p_is_a_projector_at_eps_zero_only() -> None:
    h = batchnorm.LINE.vector("h")
    twice = batchnorm.project(batchnorm.project(h)) - batchnorm.project(h)
    parts = [sp.simplify(part) for part in twice.parts.values()]
    assert any(part != 0 for part in parts)
    assert all(part.subs(sym.eps, 0) == 0 for part in parts)


def test_constants_and_scale_are_null_directions_at_eps_zero() -> None:
    one, yhat = batchnorm.LINE.vector("1"), batchnorm.LINE.vector("yhat")
    assert batchnorm.project(one).equals(one - one)
    at_zero = batchnorm.project(yhat).map(lambda part: sp.simplify(part.subs(sym.eps, 0)))
    assert not at_zero.parts


def test_a_wrong_step_is_refused() -> None:
    d = Derivation()
    with pytest.raises(ProofError, match="residual"):
        d.equal("wrong", ("x", "x"), sym.gg, sym.gg + 1)
    h = batchnorm.LINE.vector("h")
    with pytest.raises(ProofError, match="the vectors differ by"):
        d.vectors("wrong", "", "", h, batchnorm.project(h))
    assert d.steps == []


def test_space_knows_only_its_vectors() -> None:
    with pytest.raises(KeyError, match="no basis vector"):
        Space({("a", "a"): 1}).vector("b")
