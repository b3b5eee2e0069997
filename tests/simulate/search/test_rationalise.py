"""From violations in floating point to simple exact data: every step kept exact."""

from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from bnproof.simulate.search.ascent import climb, space_of
from bnproof.simulate.search.base import Point, SearchSpace, near, spoken, stacked, written
from bnproof.simulate.search.layer import LayerSpace, integers
from bnproof.simulate.search.minimax import RegressionSpace
from bnproof.simulate.search.rationalise import Judge, cost, refutation
from bnproof.theory import symbols as sym
from bnproof.theory.claim import Claim, Counterexample, ExactCase, RandomTest, Settings
from bnproof.theory.claims.gradient import report_3_4, santurkar_4_1
from bnproof.theory.claims.hessian import report_3_5, santurkar_4_2_eps
from bnproof.theory.claims.weights import santurkar_4_5
from bnproof.theory.exact import evaluate as exact
from bnproof.theory.exact.curvature import exactly
from bnproof.theory.layer import minimax

IDEAL = LayerSpace(frozenset({sym.vv}), sp.Eq(sym.eps, 0))
REGULAR = LayerSpace(frozenset({sym.vv}), sp.Gt(sym.eps, 0))
NAMES = {
    "Counterexample": Counterexample,
    "ExactCase": ExactCase,
    "exactly": exactly,
    "minimax": minimax,
    "partial": partial,
}


def fractions(*entries: object) -> np.ndarray:
    return np.array([Fraction(str(entry)) for entry in entries], dtype=object)


def layer(y: np.ndarray, **rest: np.ndarray) -> Point:
    size = len(y)
    zero = np.array([[Fraction(0)] * size] * size, dtype=object)
    point = {"y": y, "b": fractions(*range(size)), "A": zero}
    numbers = {"gamma": fractions(1), "beta": fractions(0), "eps": fractions(0)}
    return point | numbers | rest


def violations(
    claim: Claim, size: object
) -> tuple[SearchSpace, dict[str, torch.Tensor], list[int]]:
    space = space_of(claim)
    one = climb(claim, space, size, restarts=40, steps=30, seed=0)
    return space, one.worst, one.violated.nonzero().flatten().tolist()


def test_no_three_integers_have_a_rational_standard_deviation() -> None:
    assert integers(3, True).shape == (0, 3)
    for size in (2, 4, 6):
        pool = integers(size, True)
        assert len(pool) > 10
        roots = pool.std(1) * size
        assert np.allclose(roots, roots.round(), atol=1e-9)
        assert (roots > 0).all()


@given(
    st.lists(st.integers(-5, 5), min_size=2, max_size=6).filter(lambda y: len(set(y)) > 1),
    st.fractions(0, 4, max_denominator=8),
)
def test_eps_completes_the_square(y: list[int], eps: Fraction) -> None:
    point = REGULAR.repaired(layer(fractions(*y), eps=fractions(eps)))
    assert point is not None
    data = Counterexample.of(y=point["y"].tolist(), b=point["b"].tolist(), eps=point["eps"].item())
    values = exact.measure(data)  # refuses what is no rational square
    assert values[sym.eps] > 0
    assert abs(float(values[sym.s]) - float(np.var(y) + eps) ** 0.5) < 1.1


def test_what_cannot_be_repaired_is_dropped() -> None:
    assert IDEAL.repaired(layer(fractions(0, 0, 1))) is None
    assert IDEAL.repaired(layer(fractions(1, 1))) is None
    assert REGULAR.repaired(layer(fractions(0, 1), eps=fractions(-1))) is None
    assert IDEAL.repaired(layer(fractions(0, 1))) is not None


def test_rounded_points_can_all_be_evaluated_exactly() -> None:
    for space, size in ((IDEAL, 4), (REGULAR, 3)):
        params = space.random(3, size, torch.Generator().manual_seed(0))
        space.project(params)
        points = [point for index in range(3) for point in space.rounded(params, index)]
        assert len(points) > 20
        for point in points[::7]:
            means = space.exact(point).case
            assert isinstance(means, Counterexample)
            float_y = stacked([point])["y"][0].numpy()
            assert float(exact.measure(means)[sym.mu]) == pytest.approx(float_y.mean())


@pytest.mark.parametrize(
    ("claim", "size"),
    [
        (report_3_4.CLAIM, 2),
        (santurkar_4_2_eps.CLAIM, 2),
        (report_3_5.CLAIM, 4),
        (santurkar_4_5.CLAIM, (2, 1)),
    ],
    ids=lambda value: getattr(value, "id", "size"),
)
def test_simplified_points_are_simple_exact_and_can_be_pasted(claim: Claim, size: object) -> None:
    bare = replace(claim, checks=(RandomTest(),))
    space, points, order = violations(bare, size)
    simple = refutation(bare, space, points, order)
    rough = refutation(bare, space, points, order, simplify=False)
    assert simple is not None
    assert rough is not None
    assert simple.cost <= rough.cost
    assert simple.cost < 24
    assert simple.evidence.holds is False
    pasted = eval(simple.data.source, NAMES)
    again = exact.check(replace(claim, checks=(pasted, RandomTest())), Settings())
    assert again.holds is False
    assert again.control_differs
    assert again.summary == simple.evidence.summary


def test_nothing_is_certified_where_the_relation_holds() -> None:
    """Points that violate one claim do not refute another that is true."""
    space, points, order = violations(report_3_4.CLAIM, 2)
    true = santurkar_4_1.CLAIM
    assert refutation(true, space_of(true), points, order) is None
    judge = Judge(true, space)
    data = space.exact(layer(fractions(-1, 1), b=fractions(3, 4)))
    assert judge.certify(data) is None
    assert Judge(report_3_4.CLAIM, space).certify(data) is not None


def test_data_outside_the_domain_refute_nothing() -> None:
    claim = santurkar_4_2_eps.CLAIM
    assert Judge(claim, IDEAL).certify(IDEAL.exact(layer(fractions(-1, 1)))) is None


def test_exact_regressions_agree_with_measured_ones() -> None:
    generator = torch.Generator().manual_seed(4)
    symbols_of = {False: minimax.d_bn, True: minimax.d_learned}
    for learned, sizes in ((False, [(2, 1), (3, 2)]), (True, [(3, 2)])):
        space = RegressionSpace(frozenset({symbols_of[learned]}), sp.true)
        for size in sizes:
            drawn = space.random(1, size, generator)
            (point, *_) = space.rounded({k: 2 * t for k, t in drawn.items()}, 0)
            assert space.posed(stacked([point])).all()
            symbols = space.measured(stacked([point]))
            data = minimax.Regression.of(**{k: array.tolist() for k, array in point.items()})
            for name, value in minimax.regression(data, learned=learned).items():
                assert float(value) == pytest.approx(symbols.value(name).item(), abs=1e-9), name


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"X": [[1], [2]], "t": [1], "w0": [1]}, "one row of X for each target"),
        ({"X": [[1, 2, 3]], "t": [1], "w0": [1, 1, 1]}, "one or two weights"),
    ],
)
def test_regressions_of_other_shapes_are_refused(data: dict[str, list], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        minimax.Regression.of(**data)


def test_a_regression_without_a_unique_optimum_is_refused() -> None:
    data = minimax.Regression.of(X=[[1, 1], [2, 2], [0, 0]], t=[1, 0, 0], w0=[1, 0])
    with pytest.raises(ValueError, match="centred columns are dependent"):
        minimax.regression(data, learned=False)


def test_numbers_are_written_as_python_reads_them() -> None:
    array = np.array([[Fraction(1), Fraction(-1, 2)]], dtype=object)
    assert written(array) == '[[1, "-1/2"]]'
    assert spoken(array) == "[[1, -1/2]]"
    assert near(torch.tensor([0.26, -1.9]), 4).tolist() == [Fraction(1, 4), Fraction(-2)]
    shorter, longer = ({"b": fractions(entry)} for entry in (1, "1/2"))
    assert cost({"b": fractions(0)}) < cost(shorter) < cost({"b": fractions(-1)}) < cost(longer)
