"""Both edges of sampled products: constants, bias, criterion, claim and figures."""

import json
from dataclasses import replace
from math import pi

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import kstwo

from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.simulate.random_matrices.laws.hard_edge import HardEdge
from bnproof.simulate.random_matrices.laws.tracy_widom import TracyWidom
from bnproof.simulate.random_matrices.spectra.goodness_of_fit import distance
from bnproof.simulate.random_matrices.spectra.sampling import sample_singular_values
from bnproof.simulate.random_matrices.studies import soft_edge as edges
from bnproof.simulate.random_matrices.studies import soft_edge_figures as edge_figures
from bnproof.simulate.random_matrices.studies import table as studies
from bnproof.theory.claim import Evidence, Kind, Scale, Settings, SpectrumTest, Verdict, decide
from bnproof.theory.claims.random_matrices.liu_soft_edge import CLAIM
from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.random_matrices import fuss_catalan_moments as moments
from bnproof.theory.symbols import M

SMOKE = Settings(scale=Scale.SMOKE)


@pytest.fixture(scope="module")
def smoke() -> Evidence:
    return studies.check(CLAIM, SMOKE)


def test_scale_follows_from_the_derived_density() -> None:
    # N rho dx = sqrt(-z)/pi dz with x_max rho = c sqrt(1 - x/x_max).
    d = Derivation()
    moments.edge_steps(d)
    constant = d.values[moments.edge_constant]
    for factors in (1, 2, 3, 7):
        value = float(constant.subs(M, factors))
        assert edges.soft_scale(factors, 50) == pytest.approx((pi * value * 50) ** (2 / 3))


@pytest.mark.parametrize("factors", [1, 2, 3, 5, 20])
def test_scale_follows_from_the_mass_at_the_edge(factors: int) -> None:
    # One value in N beyond z: the Airy density says (2/(3 pi)) (-z)**1.5.
    law, size = FussCatalan(factors), 10**12
    z = -2.0
    mass = law.sf(law.support()[1] * (1 + z / edges.soft_scale(factors, size)))
    assert mass * size == pytest.approx(2 / (3 * pi) * 2**1.5, rel=1e-6)


def test_extrapolation_removes_the_bias() -> None:
    sizes = (27, 64, 125)
    pairs = [
        (1.5 - 3 * size ** (-2 / 3), error) for size, error in zip(sizes, (1, 2, 3), strict=True)
    ]
    value, error = edges.extrapolated(sizes, pairs)
    assert value == pytest.approx(1.5)
    assert error > 1  # more than the best of the three


@pytest.mark.parametrize("beta", [1, 2])
def test_criterion_tells_the_laws_apart(beta: int) -> None:
    rng, law = np.random.default_rng(beta), TracyWidom(beta)
    sizes = (24, 48, 96)
    values = tuple(law.rvs(600, rng) + 2 * size ** (-2 / 3) for size in sizes)
    ladder = edges.Ladder(sizes, values)
    assert ladder.tends_to(law)
    assert not ladder.tends_to(TracyWidom(3 - beta))
    # A scale wrong by a third, and a normal law of the same mean but another spread.
    assert not edges.Ladder(sizes, tuple(4 / 3 * v for v in values)).tends_to(law)
    normal = tuple(rng.normal(law.mean(), 1.3 * law.std(), 600) for _ in sizes)
    assert not edges.Ladder(sizes, normal).tends_to(law)


def test_null_of_the_distance() -> None:
    law, rng = TracyWidom(2), np.random.default_rng(3)
    draws = [law.rvs(200, rng) for _ in range(200)]
    above = np.mean([distance(d, law) > kstwo.ppf(0.95, 200) for d in draws])
    assert above == pytest.approx(0.05, abs=4 * (0.05 * 0.95 / 200) ** 0.5)


@pytest.mark.parametrize("factors", [1, pytest.param(2, marks=pytest.mark.slow)])  # a repetition
def test_bias_of_real_factors(factors: int) -> None:
    # With the plain centre the mean is off by -(2(M+1))**(1/3)/2 N**(-1/3), by design of the other.
    size, repeats = 64, 4000 if factors == 1 else 1500
    largest = sample_singular_values([size] * (factors + 1), repeats, seed=5)[:, 0].numpy()
    law = TracyWidom(1)
    plain, shifted = (
        edges.standardised(largest, factors, size, "real", shifted=choice).mean() - law.mean()
        for choice in (False, True)
    )
    predicted = -((2 * (factors + 1)) ** (1 / 3)) / 2 * size ** (-1 / 3)
    assert plain - shifted == pytest.approx(predicted)
    assert abs(shifted) < abs(plain) / 2
    assert plain < -3 * law.std() / repeats**0.5


# With more factors, statistical repetitions of two seconds each.
@pytest.mark.parametrize("factors", [1, *(pytest.param(M, marks=pytest.mark.slow) for M in (2, 3))])
def test_hard_edge_of_complex_factors(factors: int) -> None:
    law = HardEdge((0,) * factors)
    ladder = edges.hard_edge((0,) * factors, (2, 16), (6000, 6000), seed=1)
    small, large = ladder.distances(law)
    bound = float(kstwo.ppf(0.999, 6000))
    if factors == 1:  # exact at every N
        assert max(small, large) < bound
    else:  # the bias falls as 1/N
        assert small > 1.5 * bound
        assert large < bound + small / 8
    # Other laws are rejected: one factor more, and real factors.
    assert ladder.distances(HardEdge((0,) * (factors + 1)))[1] > 2 * bound
    real = sample_singular_values([16] * (factors + 1), 1500, seed=1)[:, -1].numpy()
    assert edges.distance(16.0 ** (factors + 1) * real**2, law) > 2 * bound


def test_hard_edge_of_rectangular_factors() -> None:
    ladder = edges.hard_edge((1, 3), (40,), (1500,), seed=2)
    bound = float(kstwo.ppf(0.999, 1500))
    assert ladder.distances(HardEdge((1, 3)))[0] < bound + 0.03
    assert ladder.distances(HardEdge((0, 0)))[0] > 0.3


def test_claim(smoke: Evidence) -> None:
    assert smoke.kind is Kind.SPECTRA
    assert smoke.holds is True
    assert smoke.control_differs
    assert decide([smoke]) is Verdict.SUPPORTED is CLAIM.expected
    json.dumps([smoke.numbers, smoke.provenance])
    assert set(smoke.series) == {f"{m} {field}" for m in (1, 2, 3) for field in ("real", "complex")}


def test_control_alone_is_unsupported() -> None:
    exchanged = SpectrumTest(
        study="soft edge",
        statement="of the other field",
        control="Tracy-Widom law of the field",
        factors=(1,),
    )
    evidence = studies.check(replace(CLAIM, checks=(exchanged,)), SMOKE)
    assert evidence.holds is False
    assert decide([evidence]) is Verdict.UNSUPPORTED


def test_unknown_answer() -> None:
    spec = SpectrumTest(study="soft edge", statement="normal", control="of the other field")
    with pytest.raises(ValueError, match="no answer 'normal'"):
        studies.check(replace(CLAIM, checks=(spec,)), SMOKE)


def test_figures(smoke: Evidence) -> None:
    figure = Figure(figsize=(8, 5), layout="constrained")
    words = studies.draw(figure, CLAIM, smoke)
    assert "follows Tracy-Widom" in words
    assert len(figure.axes) == 6
    figure.canvas.draw()
    wrong = Figure(figsize=(8, 5), layout="constrained")
    assert "does not follow" in studies.draw(wrong, CLAIM, replace(smoke, holds=False))

    ladder = edges.hard_edge((0, 0), (4, 16), (50, 50), seed=0)
    samples = {2: dict(zip(ladder.sizes, ladder.values, strict=True))}
    figure = Figure(figsize=(8, 4), layout="constrained")
    words = edge_figures.draw_hard_edge(figure, samples, {2: HardEdge((0, 0))})
    figure.canvas.draw()
    assert "N = 16" in words
