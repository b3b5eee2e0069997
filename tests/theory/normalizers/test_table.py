"""Derivations for every normaliser against brute force; how far l_p lengthens a gradient."""

import math
import subprocess
import sys

import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given
from hypothesis import strategies as st

from bnproof.theory.normalizers import groups
from bnproof.theory.normalizers.oblique import oblique_steps, supremum_steps
from bnproof.theory.normalizers.table import NORMALIZERS, Normalizer, R, facts, gain_bound, table
from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.symbols import eps, in_primitives, m, mu

GROUP = [sp.Rational(7, 3), sp.Rational(-1, 2), sp.Rational(4, 5), sp.Integer(-3)]
SMOOTH = [kind for kind in NORMALIZERS if kind.power != sp.oo]
CONSTANT = sp.Rational(3, 7)


class Written:
    """A normaliser of four entries with indices: nothing but its definition."""

    def __init__(self, kind: Normalizer) -> None:
        self.kind = kind
        self.p = sp.Integer(3) if kind.power == groups.p else kind.power
        u = sp.symbols("u1:5", real=True)
        self.u, self.at = u, dict(zip(u, GROUP, strict=True))
        centred = [entry - sum(u) / 4 for entry in u]
        self.x = centred if kind.scale_centred else list(u)
        root = (sum(sp.Abs(entry) ** self.p for entry in self.x) / 4) ** (1 / self.p)
        self.scale = kind.outer(root).subs({m: 4, eps: CONSTANT})
        top = centred if kind.centred else list(u)
        self.n = [entry / self.scale for entry in top]
        self.symbols = {R: root.subs(self.at), m: 4, eps: CONSTANT, groups.p: self.p}

    def number(self, expr: sp.Expr) -> float:
        return float(sp.N(expr.subs(self.at)))

    def numbers(self, exprs: list[sp.Expr]) -> np.ndarray:
        return np.array([self.number(expr) for expr in exprs])

    def derived(self, expr: sp.Expr) -> float:
        return float(sp.N(expr.subs(self.symbols)))


@pytest.fixture(scope="module", params=SMOOTH, ids=lambda kind: kind.name)
def written(request: pytest.FixtureRequest) -> Written:
    return Written(request.param)


def slope(case: Written) -> np.ndarray:
    """w by the derived formula."""
    scale = case.number(case.scale)
    q = case.numbers(case.x) / scale
    a = np.sign(q) * np.abs(q) ** (float(case.p) - 1)
    return case.derived(case.kind.omega) / 4 * (a - case.kind.scale_centred * a.mean())


def test_slope_and_jacobian_match_brute_force(written: Written) -> None:
    w = slope(written)
    direct = written.numbers([sp.diff(written.scale, entry) for entry in written.u])
    np.testing.assert_allclose(w, direct, atol=1e-12)
    A = np.eye(4) - written.kind.centred / 4
    J = np.array([written.numbers([sp.diff(e, u) for u in written.u]) for e in written.n])
    n, scale = written.numbers(written.n), written.number(written.scale)
    np.testing.assert_allclose(J, (A - np.outer(n, w)) / scale, atol=1e-12)
    lack = 1 - w @ np.array(GROUP, dtype=float) / scale
    assert written.derived(written.kind.theta) == pytest.approx(lack, abs=1e-12)


def test_second_derivative_matches_brute_force(written: Written) -> None:
    h, k = np.array([1.0, -2.0, 0.5, 3.0]), np.array([0.0, 1.0, 1.0, -1.5])
    t, r = sp.symbols("t r", real=True)
    moved = {
        u: GROUP[i] + t * sp.Rational(h[i]) + r * sp.Rational(k[i]) for i, u in enumerate(written.u)
    }
    zero = {t: 0, r: 0}
    direct = [sp.diff(e.subs(moved), t, r).subs(zero) for e in written.n]
    bend = sp.diff(written.scale.subs(moved), t, r).subs(zero)
    w, A = slope(written), np.eye(4) - written.kind.centred / 4
    symbols = {groups.S: written.number(written.scale), sp.Symbol("<w,h>", real=True): w @ h}
    symbols |= {sp.Symbol("<w,k>", real=True): w @ k, sp.Symbol("W(h,k)", real=True): bend}
    parts = groups.second()
    total = sum(
        float(sp.N(parts.coefficient(name).subs(symbols))) * vector
        for name, vector in {"n": written.numbers(written.n), "Ah": A @ h, "Ak": A @ k}.items()
    )
    np.testing.assert_allclose(total, [float(sp.N(e)) for e in direct], atol=1e-10)


def operator(x: np.ndarray, power: float, centred: bool = True) -> np.ndarray:
    """``S Dn`` of l_p normalisation at x by central differences of its definition."""

    def normalised(u: np.ndarray) -> np.ndarray:
        y = u - u.mean() if centred else u
        largest = np.abs(y).max()
        mean = np.mean(np.abs(y / largest) ** power) if math.isfinite(power) else 1.0
        root = mean ** (1 / power)
        return np.append((u - u.mean()) / (largest * root), largest * root)

    step = 1e-6 * np.abs(x).min()
    rows = [
        (normalised(x + step * e)[:-1] - normalised(x - step * e)[:-1]) / (2 * step)
        for e in np.eye(len(x))
    ]
    return np.array(rows).T * normalised(x)[-1]


entries = st.lists(
    st.floats(-10, 10).filter(lambda value: abs(value) > 0.1), min_size=3, max_size=8
)


@given(u=entries, power=st.sampled_from([1.0, 1.3, 2.0, 3.0, 4.0, 8.0, math.inf]))
def test_no_gradient_is_lengthened_beyond_the_bound(u: list[float], power: float) -> None:
    for centred in (True, False):
        x = np.array(u)
        x = x - x.mean() if centred else x
        sizes = np.sort(np.abs(x))
        assume(sizes[0] > 1e-2)  # away from the corners of the scale
        assume(math.isfinite(power) or sizes[-1] > sizes[-2] + 1e-2)
        Q = operator(x, power, centred)
        bound = gain_bound(sp.oo if math.isinf(power) else sp.Rational(str(power)), centred)
        limit = float(bound.subs(m, len(u)))
        assert np.linalg.norm(Q, 2) <= limit * (1 + 1e-4)
        if centred:
            np.testing.assert_allclose(Q @ Q, Q, atol=1e-4)


@pytest.mark.parametrize(
    ("u", "power", "centred", "supremum"),
    [
        ([1000, -1000, *[0.01, -0.01] * 3], 1.0, True, 4),
        ([1000, -1000 - 0.005, *[0.01] * 3, *[-0.0125] * 2], 1.0, True, (7 - 1 / 7) / 2),
        ([1.0, *[0.999] * 3, *[-0.99925] * 4], math.inf, True, 7),
        ([1.0, *[0.998] * 2, 0.001, *[-0.999] * 3], math.inf, True, 36 / 7),
        ([1000, *[0.01] * 7], 1.0, False, 8),
        ([1.0, *[0.999] * 3, *[-0.999] * 3], math.inf, False, 7),
    ],
)
def test_suprema_are_approached(
    u: list[float], power: float, centred: bool, supremum: float
) -> None:
    x = np.array(u)
    x = x - x.mean() if centred else x
    assert np.linalg.norm(operator(x, power, centred), 2) ** 2 == pytest.approx(supremum, rel=0.01)


def test_p_4_comes_within_a_constant_of_its_bound() -> None:
    """One entry at +L, one at -L, the rest 1 and -1, L^4 = 3(m-2)/2: 0.23 sqrt(m) and more."""
    for size in (8, 32, 128):
        L = (3 * (size - 2) / 2) ** 0.25
        x = np.array([L, -L, *[1.0, -1.0] * (size // 2 - 1)])
        gain = np.linalg.norm(operator(x, 4.0), 2) ** 2
        assert 0.32 * math.sqrt(size / 2) < gain <= math.sqrt(size)


@pytest.mark.parametrize(
    ("u", "power", "orthogonal"),
    [
        ([1, 2, 5, -8], 2.0, True),
        ([1, 2, 5, -8], 4.0, False),
        ([3, 3, -2, -2, -2], 4.0, True),
        ([1, 2, -3], 4.0, True),  # any three centred numbers lie on one line with their cubes
        ([1, 2, -3], 3.0, False),
    ],
)
def test_where_the_projector_is_orthogonal(u: list[float], power: float, orthogonal: bool) -> None:
    Q = operator(np.array(u, dtype=float), power)
    assert np.allclose(Q, Q.T, atol=1e-6) is orthogonal


def test_the_derivation_of_the_projector_runs() -> None:
    d = Derivation()
    oblique_steps(d)
    supremum_steps(d)
    assert sum(step.kind == "checked" for step in d.steps) >= 4


def test_the_table_says_what_is_derived() -> None:
    rows = {row["normaliser"]: row for row in map(facts, NORMALIZERS)}
    assert len(rows) == len(NORMALIZERS)
    assert rows["l_2 BatchNorm"]["Theorem 4.1"] == "identity, last factor 1/m"
    assert rows["WeightNorm"]["Theorem 4.1"] == "identity, last factor 1"
    assert rows["RMSNorm"]["null directions"] == "u at eps = 0"
    assert rows["l_4 BatchNorm, printed"]["null directions"] == "u"
    blocks = table().split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == list(rows)
    assert all(len(block.splitlines()) == len(rows["RMSNorm"]) for block in blocks)


def test_the_module_prints_its_table() -> None:
    """As the README says."""
    command = [sys.executable, "-m", "bnproof.theory.normalizers.table"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == table() + "\n"


def test_the_squared_scale_less_the_squared_mean_is_the_variance_at_p_2() -> None:
    """And 0 at p = 1 for a group of one sign: the two ends of Jensen's inequality."""
    mean, squares = sp.Rational(7, 3), sp.Integer(7)  # of (1, 2, 4)
    variance = (sp.Rational(4, 3) ** 2 + sp.Rational(1, 3) ** 2 + sp.Rational(5, 3) ** 2) / 3
    gap = in_primitives(groups.above)
    assert gap.subs({groups.S: sp.sqrt(squares), mu: mean}) == variance
    assert gap.subs({groups.S: mean, mu: mean}) == 0
