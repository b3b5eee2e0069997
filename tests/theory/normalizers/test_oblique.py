"""The constant of l_p normalisation against brute force, and the activations that reach it."""

import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from bnproof.theory.claims.lp import lp_constant
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.normalizers import amplification, amplification_proofs, oblique
from bnproof.theory.normalizers.table import find, gain, gain_bound
from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.symbols import m

POWERS = [1.0, 1.25, 4 / 3, 1.7, 2.0, 3.0, 4.0, 9.0, math.inf]
BETWEEN = [power for power in POWERS if power not in (1.0, 2.0, math.inf)]


def uncentred(u: np.ndarray, power: float) -> float:
    """``|q|^2|w|^2`` from the definition, without centring; u is scaled first."""
    u = np.abs(u) / np.abs(u).max()
    if math.isinf(power):
        return float(u @ u)
    a = u ** (power - 1) if power > 1 else np.ones_like(u)
    return float((u @ u) * (a @ a) / (u @ a) ** 2)


def centred(u: np.ndarray, power: float) -> float:
    """``|n|^2|w|^2`` with both centred, for 1 < p < inf."""
    x = u - u.mean()
    x = x / np.abs(x).max()
    a = np.sign(x) * np.abs(x) ** (power - 1)
    a = a - a.mean()
    return float((x @ x) * (a @ a) / (x @ a) ** 2)


def search(value, start: np.ndarray) -> float:
    """The largest value found from one start, the gradient by differences."""
    found = minimize(lambda u: -value(u), start, method="BFGS", options={"gtol": 1e-9})
    return float(-found.fun)


def starts(size: int, count: int) -> np.ndarray:
    source = np.random.default_rng(size)
    return source.normal(size=(count, size)) * np.exp(source.normal(size=(count, size)))


@pytest.mark.parametrize("size", [2, 3, 5, 9])
@pytest.mark.parametrize("power", BETWEEN)
def test_no_activations_exceed_the_constant_and_a_search_reaches_it(
    power: float, size: int
) -> None:
    square = amplification.constant(power, size) ** 2
    # The weights |u_i|^p are searched over, so that no start is far from any other.
    best = max(
        search(lambda logs: uncentred(np.exp((logs - logs.max()) / power), power), 2 * start)
        for start in starts(size, 12)
    )
    assert best <= square + 1e-9
    assert best == pytest.approx(square, abs=1e-6)


@pytest.mark.parametrize("size", [2, 3, 5, 9, 64])
@pytest.mark.parametrize("power", BETWEEN)
def test_one_entry_above_the_others_reaches_it(power: float, size: int) -> None:
    log_rho = (math.log(size - 1) + float(amplification.log_odds(power, size))) / power
    u = np.array([math.exp(log_rho), *np.ones(size - 1)])
    square = amplification.constant(power, size) ** 2
    assert uncentred(u, power) == pytest.approx(square, rel=1e-13)
    for factor in (0.99, 1.01):
        assert uncentred(u * np.array([factor, *np.ones(size - 1)]), power) < square


@given(
    u=st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=9),
    power=st.floats(1, 40).filter(lambda power: abs(power - 2) > 1e-3),
)
def test_random_activations_stay_below_the_constant(u: list[float], power: float) -> None:
    square = amplification.constant(power, len(u)) ** 2
    assert uncentred(np.array(u), power) <= square * (1 + 1e-12)
    bound = float(amplification.square_bound(sp.Float(power)).subs(m, len(u)))
    assert square <= bound * (1 + 1e-12)
    dual = power / (power - 1) if power > 1 else math.inf
    assert amplification.constant(dual, len(u)) ** 2 == pytest.approx(square, rel=1e-9)


@pytest.mark.parametrize("size", [2, 3, 4, 17, 1000])
def test_closed_forms_are_the_constant(size: int) -> None:
    for power in (sp.S.One, sp.Rational(4, 3), sp.Integer(2), sp.Integer(4), sp.oo):
        closed = float(amplification.square(power, sp.Integer(size)))
        assert closed == pytest.approx(amplification.constant(float(power), size) ** 2, rel=1e-12)
    assert amplification.square(sp.Integer(3)) is None


def test_the_ends_are_suprema_that_are_approached() -> None:
    for size in (2, 3, 8):
        u = np.array([1.0, *[1e-8] * (size - 1)])
        assert size - 1e-5 < uncentred(u, 1.0) < size
        assert uncentred(np.array([1.0, *[1 - 1e-9] * (size - 1)]), math.inf) < size
        ends = [amplification.constant(power, size) for power in (1 + 1e-4, 1e4)]
        assert ends == pytest.approx([math.sqrt(size)] * 2, rel=2e-3)


@pytest.mark.parametrize("power", [1.25, 4.0, 9.0])
def test_the_bound_in_closed_form_is_met_for_large_m(power: float) -> None:
    ratio = [
        amplification.constant(power, size) ** 2
        / float(amplification.square_bound(sp.Float(power)).subs(m, size))
        for size in (10, 10**4, 10**8, 10**12)
    ]
    assert ratio == sorted(ratio)
    assert 1 - 1e-2 < ratio[-1] < 1


@pytest.mark.parametrize("size", [3, 4, 5, 8])
@pytest.mark.parametrize("power", [1.25, 4 / 3, 3.0, 4.0, 9.0])
def test_centred_activations_lie_between_their_bounds(power: float, size: int) -> None:
    best = max(search(lambda u: centred(u, power), start) for start in starts(size, 12))
    below = amplification.constant(power, size // 2) ** 2 if size > 3 else 1.0
    assert below - 1e-6 <= best <= amplification.constant(power, size) ** 2 + 1e-9


def test_pairs_of_opposite_sign_reach_the_lower_bound() -> None:
    for power in BETWEEN:
        odds = float(amplification.log_odds(power, 4))
        z = np.array([math.exp((math.log(3) + odds) / power), 1, 1, 1])
        for rest in ([], [0.0]):
            pairs = centred(np.concatenate([z, -z, rest]), power)
            assert pairs == pytest.approx(amplification.constant(power, 4) ** 2, rel=1e-12)


def test_p_4_of_four_is_a_root_of_a_cubic() -> None:
    x = sp.Symbol("x")
    roots = sp.Poly(25088 * x**3 - 54432 * x**2 + 29997 * x - 621).nroots(n=20)
    best = max(search(lambda u: centred(u, 4.0), start) for start in starts(4, 20))
    assert best == pytest.approx(float(max(roots)), abs=1e-9)
    assert best == pytest.approx(1.13870967, abs=1e-8)
    assert centred(np.array([1.0, 2.0, -3.0]), 4.0) == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize("power", [1.5, 4.0])
def test_centring_costs_nothing_in_the_limit(power: float) -> None:
    """One entry rho, the others 1 and -1 of total -rho, rho rounded as the derivation says."""
    ratios = []
    for size in (10**3 + 1, 10**6 + 1, 10**9 + 1):
        odds = max(power - 1, 1 / (power - 1))
        rho = 2 * round(((size - 1) * odds) ** (1 / power) / 2)
        A, rest = rho ** (power - 1), size - 1
        found = (rho**2 + rest) * (A**2 + rest - (A - rho) ** 2 / size) / (rho * A + rest) ** 2
        ratios.append(found / amplification.constant(power, size) ** 2)
    assert ratios == sorted(ratios)
    assert 0.999 < ratios[-1] < 1


def test_the_printed_layer_reaches_its_constant_but_for_a_share() -> None:
    """Signs chosen as the derivation says; the operator C(I - q w') by its largest value."""
    for power in BETWEEN:
        for size in (2, 3, 6, 9):
            rho = math.exp(
                (math.log(size - 1) + float(amplification.log_odds(power, size))) / power
            )
            wanted = (size - 1) * rho ** (1 - power)
            sums = range(1 - size, size, 2)
            total = min(sums, key=lambda number: abs(number - wanted))
            plus = (size - 1 + total) // 2
            u = np.array([rho, *np.ones(plus), *-np.ones(size - 1 - plus)])
            a = np.sign(u) * np.abs(u) ** (power - 1)
            Q = np.eye(size) - np.outer(u, a) / (u @ a)
            norm = np.linalg.norm(Q - Q.mean(0), 2) ** 2
            square = amplification.constant(power, size) ** 2
            assert square * (1 - 1 / (size * (size - 1))) - 1e-9 <= norm <= square + 1e-9


@pytest.mark.parametrize(("power", "size"), [(0.5, 3), (2.0, 3), (1.0, 3), (math.inf, 3), (3, 1)])
def test_odds_are_refused_outside_their_range(power: float, size: int) -> None:
    with pytest.raises(ValueError, match=r"1 < p < inf, p not 2, and m >= 2 are needed"):
        amplification.log_odds(power, size)


def test_the_derivations_check_their_steps() -> None:
    d = Derivation()
    oblique.oblique_steps(d)
    oblique.supremum_steps(d)
    amplification_proofs.steps(d)
    amplification_proofs.centred_steps(d)
    assert sum(step.kind == "checked" for step in d.steps) >= 20


def test_the_family_of_the_claim_is_what_it_says() -> None:
    """Its first member, m = 28, entry by entry in floating point."""
    values = {
        symbol: float(sp.N(value.subs(exact.n, 1)))
        for symbol, value in lp_constant.one_large().items()
    }
    u = np.array([3.0, *[1.0] * 12, *[-1.0] * 15])
    assert (len(u), u.sum()) == (values[m], 0)
    x = u / (np.mean(u**4)) ** 0.25
    w = (x**3 - np.mean(x**3)) / 28
    square = values[lp_constant.vv] * values[lp_constant.S] ** 2 / values[lp_constant.AfAf]
    assert square == pytest.approx((x @ x) * (w @ w), rel=1e-12)
    assert square == pytest.approx(centred(u, 4.0), rel=1e-12)


def test_the_table_has_one_form_for_every_p() -> None:
    names = [f"l_{name} BatchNorm" for name in ("1", "4/3", "4", "inf", "p")]
    for name in names:
        assert "c(m)" in gain(find(name))
        assert "c(m)" in gain(find(f"{name}, printed"))
    assert gain(find("l_2 BatchNorm")) == gain(find("l_2 BatchNorm, printed")) == "1"
    assert float(gain_bound(sp.Integer(4), True).subs(m, 9)) == pytest.approx(
        amplification.constant(4.0, 9), rel=1e-12
    )
