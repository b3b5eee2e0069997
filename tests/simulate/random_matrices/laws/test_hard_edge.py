"""The hard edge: Meijer G-functions against mpmath, exact laws, and sampled products."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp
from scipy.special import ive

from bnproof.simulate.random_matrices.laws import hard_edge
from bnproof.simulate.random_matrices.laws.hard_edge import HardEdge, decaying, growing

SHAPES = [(0,), (2,), (0, 0), (0, 1), (0, 0, 0), (1, 2, 4), (0,) * 5, (3, 5)]


@pytest.mark.parametrize("excess", SHAPES, ids=str)
def test_meijer_functions(excess: tuple[int, ...]) -> None:
    order = len(excess) + 1
    r = np.array([1e-9, 0.01, 0.4, 1.1, 1.9, 2.1, 3.7, 6.2])
    found = np.stack([of(order * np.log(r), excess) for of in (growing, decaying)])
    with mp.workdps(40):
        for column, root in zip(found.T, r, strict=True):
            x = mp.mpf(float(root)) ** order
            f = mp.meijerg([[], []], [[0], [-nu for nu in excess]], x)
            g = mp.meijerg([[], []], [list(excess), [0]], x) / x ** min(excess)
            # Relative error, in units of what a change of x by one rounding error makes.
            near = 1 + float(order * root)
            assert abs(column[0] / f - 1) < 1e-12 * near
            assert abs(column[1] / g - 1) < 1e-12 * near


def test_one_square_factor_is_exponential() -> None:
    law = HardEdge((0,))
    x = np.geomspace(1e-300, 18, 200)
    np.testing.assert_allclose(law.cdf(x), -np.expm1(-x), rtol=1e-12)
    np.testing.assert_allclose(law.sf(x), np.exp(-x), atol=1e-13, rtol=0)
    np.testing.assert_allclose(law.pdf(x), np.exp(-x), atol=1e-11, rtol=0)
    # Beyond, by the form that the tail has, which is exact here.
    np.testing.assert_allclose(law.logsf([25.0, 60.0, 300.0]), [-25, -60, -300], rtol=1e-5)
    moments = (law.mean(), law.var(), law.skewness(), law.kurtosis())
    assert moments == pytest.approx((1, 1, 2, 6), rel=1e-8)


def test_one_rectangular_factor_is_a_determinant_of_bessel_functions() -> None:
    # P. J. Forrester and T. D. Hughes, J. Math. Phys. 35 (1994) 6736: exp(-x) det I_{i-j}(2 sqrt x)
    law, x = HardEdge((2,)), np.geomspace(1e-3, 16, 60)
    z = 2 * np.sqrt(x)
    exact = np.exp(2 * z - x) * (ive(0, z) ** 2 - ive(1, z) ** 2)
    np.testing.assert_allclose(law.sf(x), exact, atol=1e-13, rtol=0)
    far = np.array([30.0, 60.0])
    z = 2 * np.sqrt(far)
    logs = 2 * z - far + np.log(ive(0, z) ** 2 - ive(1, z) ** 2)
    np.testing.assert_allclose(law.logsf(far), logs, rtol=0.03)


@pytest.mark.parametrize("excess", [(0, 0), (0, 1)], ids=str)
def test_left_tail_is_the_trace(excess: tuple[int, ...]) -> None:
    # tr K = integral of f(w) g(w) log(s/w) over w from 0 to s, in w = s e**-t.
    s = 1e-13
    with mp.workdps(30):

        def part(t: object) -> object:
            w = s * mp.exp(-t)
            f = mp.meijerg([[], []], [[0], [-nu for nu in excess]], w)
            return f * mp.meijerg([[], []], [list(excess), [0]], w) * t * w

        trace = mp.quad(part, [0, 2, 8, 30, 60])
    assert HardEdge(excess).cdf(s) == pytest.approx(float(trace), rel=1e-11)


@pytest.mark.parametrize("excess", [(0, 0), (0, 1, 0)], ids=str)
def test_nodes_and_exponent_do_not_matter(
    excess: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    law = HardEdge(tuple(sorted(excess)))
    f, g = (partial(of, excess=excess) for of in (growing, decaying))
    log_s = np.log([1e-4, 0.3, 2.0, 9.0])
    found = law.sf(np.exp(log_s))
    monkeypatch.setattr(hard_edge, "POWER", 4)
    gap = hard_edge.log_log_gap(log_s, f, g, excess, 30)
    np.testing.assert_allclose(np.exp(-np.exp(gap)), found, atol=2e-13, rtol=0)


def test_order_of_widths_does_not_matter() -> None:
    x = np.geomspace(1e-6, 20, 20)
    assert HardEdge((2, 0)).cdf(x).tolist() == HardEdge((0, 2)).cdf(x).tolist()


@given(st.floats(1e-280, 0.999999), st.sampled_from([(0,), (0, 0), (0, 0, 0), (2,)]))
def test_quantiles_invert(mass: float, excess: tuple[int, ...]) -> None:
    law = HardEdge(excess)
    assert law.cdf(law.ppf(mass)) == pytest.approx(mass, rel=1e-11)


@pytest.mark.parametrize("excess", [(0,), (0, 0), (0, 0, 0)], ids=str)
def test_shape(excess: tuple[int, ...]) -> None:
    law = HardEdge(excess)
    x = np.geomspace(1e-200, 1e4, 3000)
    mass, left = law.cdf(x), law.sf(x)
    assert (np.diff(mass) >= 0).all()
    assert (np.diff(left) <= 0).all()
    assert (law.logpdf(x) < np.inf).all()
    assert law.support() == (0.0, np.inf)
    assert law.cdf([-1.0, 0.0, np.inf]).tolist() == [0, 0, 1]
    assert law.ppf([0.0, 1.0]).tolist() == [0, np.inf]
    assert law.sf([1e300, np.inf]).tolist() == [0, 0]
    assert law.pdf([-1.0, 1e300, np.inf]).tolist() == [0, 0, 0]
    assert np.isnan(law.pdf(np.nan))
    assert law.isf(law.sf(30.0)) == pytest.approx(30, rel=1e-9)


@pytest.mark.parametrize(
    ("excess", "words"),
    [
        ((), "1 to 8 integers"),
        ((0,) * 9, "1 to 8 integers"),
        ((-1,), "from 0 to 10, not -1"),
        ((0, 11), "not 11"),
        ((0.5,), "not 0.5"),
    ],
)
def test_refuses(excess: tuple[int, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        HardEdge(excess)
