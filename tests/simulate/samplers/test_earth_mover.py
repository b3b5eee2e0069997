"""The sampler of pairs of samples: distances by another route, and the bound where it is tight."""

import math
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard
from scipy.optimize import linear_sum_assignment

from bnproof.simulate.samplers.earth_mover import LAWS, Samples, draw
from bnproof.simulate.search.base import stacked
from bnproof.simulate.search.earth_mover import SampleSpace
from bnproof.theory.training import earth_mover as em

ENTRIES = st.lists(st.fractions(-3, 3, max_denominator=4), min_size=3, max_size=3)


@pytest.mark.parametrize("law", LAWS)
def test_distance_is_that_of_the_best_assignment(law):
    pairs = draw(20, 4, 2, law, seed=3, device="cpu")
    lengths = torch.cdist(pairs.first, pairs.second).numpy()
    best = [matrix[linear_sum_assignment(matrix)].mean() for matrix in lengths]
    assert pairs.value(em.distance).numpy() == pytest.approx(np.array(best), rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(ENTRIES, ENTRIES)
def test_pairings_and_sorting_agree_on_a_line(first, second):
    exact = em.Samples.of(first, second).values()
    space = SampleSpace(frozenset(), sp.true)
    point = {"P": np.array(first, dtype=object), "Q": np.array(second, dtype=object)}
    params = stacked([point])
    for symbol, value in exact.items():
        measured = space.measured(params).value(symbol).item()
        assert measured == pytest.approx(float(value), abs=1e-12)
    assert space.exact(point).case.values() == exact
    assert exact[em.distance] ** 2 <= exact[em.gap] + exact[em.spread_p] + exact[em.spread_q]


@pytest.mark.parametrize("power", [1, 2, 3])
def test_the_bound_is_of_the_right_order_in_the_dimension(power):
    d = 2**power
    axes = torch.eye(d, dtype=torch.float64) * math.sqrt(d)
    columns = torch.from_numpy(hadamard(d)).double()
    first, second = (torch.cat([points, -points]) for points in (axes, columns))
    for points in (first, second):
        assert torch.allclose(points.mean(0), torch.zeros(d).double())
        assert torch.allclose(points.mT @ points / len(points), torch.eye(d).double())
    lengths = torch.cdist(first, second).numpy()
    distance = lengths[linear_sum_assignment(lengths)].mean()
    assert math.sqrt(2 * d - 2 * math.sqrt(d)) == pytest.approx(distance)
    assert distance < math.sqrt(2 * d)


def test_a_large_step_moves_standardised_units_within_the_bound_and_others_beyond():
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(64, 5, generator=generator).double()
    before, after = (torch.randn(5, generator=generator).double() for _ in range(2))
    plain = [data @ before, data @ (before + 1e3 * after)]
    standard = [(y - y.mean()) / y.std(correction=0) for y in plain]

    def moved(pair):
        return (pair[0].sort().values - pair[1].sort().values).abs().mean().item()

    assert moved(standard) <= math.sqrt(2) < 100 < moved(plain)


def test_bad_samples_are_refused():
    with pytest.raises(ValueError, match="2 and 1 points"):
        em.Samples.of([1, 2], [Fraction(1)])
    with pytest.raises(ValueError, match="law 'cauchy': must be one of"):
        draw(1, 2, 1, "cauchy", seed=0, device="cpu")
    assert isinstance(draw(1, 2, 1, "rare", seed=0, device="cpu"), Samples)
