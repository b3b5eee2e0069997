"""The comparison of spectra with the law: the criterion, the two claims, the figure."""

import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

import bnproof.theory.claims
from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.simulate.random_matrices.studies import law as compare
from bnproof.simulate.random_matrices.studies import table as studies
from bnproof.theory.claim import Claim, Kind, Scale, Settings, SpectrumTest, Verdict, decide
from bnproof.theory.claims.gradient import bn_jacobian
from bnproof.theory.claims.random_matrices import liu_density, liu_density_squared
from bnproof.theory.loading import load_folder
from bnproof.theory.prove import check as derive
from bnproof.theory.prove import check_disproof as disprove

SMOKE = Settings(scale=Scale.SMOKE)
SPECTRA = [
    entry
    for entry in load_folder(bnproof.theory.claims)
    if isinstance(entry, Claim) and entry.check_of(SpectrumTest)
]
AGAINST_ITSELF = SpectrumTest(study="law", statement="s^2", control="s^2")


def test_distance_of_known_points() -> None:
    law = FussCatalan(2)
    quantiles = law.ppf((np.arange(100) + 0.5) / 100)
    assert compare.distance(quantiles, law) == pytest.approx(0.005, rel=1e-9)
    assert compare.distance(np.array([law.ppf(0.3)]), law) == pytest.approx(0.7, rel=1e-9)
    assert compare.distance(-quantiles, law) == pytest.approx(1)


@pytest.mark.parametrize(
    ("distances", "shrinks"),
    [
        ((0.08, 0.04, 0.02, 0.01), True),
        ((0.18, 0.18, 0.18, 0.18), False),
        ((0.8, 0.4, 0.2, 0.1), False),
        ((0.012, 0.011, 0.010, 0.010), False),
        ((0.8, 0.2, 0.05, 0.0125), False),
    ],
    ids=["1/N", "flat", "too far", "too slow", "too fast"],
)
def test_criterion(distances: tuple[float, ...], shrinks: bool) -> None:
    trend = compare.Trend((32, 64, 128, 256), distances, (0.0,) * 4, 0.01)
    assert trend.shrinks is shrinks


def test_spectra_are_kept_and_cannot_be_changed() -> None:
    values = compare.spectra(1, 8, 2, 0, "cpu")
    assert compare.spectra(1, 8, 2, 0, "cpu") is values
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 0


@pytest.mark.parametrize(
    ("claim", "other", "verdict"),
    [
        (liu_density_squared.CLAIM, derive, Verdict.PROVED),
        (liu_density.CLAIM, disprove, Verdict.REFUTED),
    ],
    ids=lambda value: getattr(value, "id", None),
)
def test_both_means_give_the_expected_verdict(claim: Claim, other: object, verdict: str) -> None:
    evidence = [studies.check(claim, SMOKE), other(claim, SMOKE)]  # type: ignore[operator]
    assert evidence[0].kind is Kind.SPECTRA
    assert all(item.control_differs for item in evidence)
    assert decide(evidence) == verdict == claim.expected
    assert json.loads(json.dumps(evidence[0].numbers, allow_nan=False))
    assert json.loads(json.dumps(evidence[0].provenance))["seed"] == 0


def test_a_control_equal_to_the_statement_is_void() -> None:
    claim = replace(liu_density_squared.CLAIM, checks=(AGAINST_ITSELF,))
    evidence = studies.check(claim, SMOKE)
    assert evidence.holds
    assert not evidence.control_differs
    assert decide([evidence]) is Verdict.UNDECIDED


def test_the_law_of_another_number_of_factors_is_rejected() -> None:
    samples = [compare.spectra(2, size, 20, 0, "cpu") for size in compare.SIZES[Scale.SMOKE]]
    assert compare.trend(samples, 2, FussCatalan(2)).shrinks
    assert not compare.trend(samples, 2, FussCatalan(3)).shrinks
    assert not compare.trend(samples, 2, FussCatalan(1)).shrinks


@pytest.mark.slow
def test_the_criterion_does_not_depend_on_the_seed() -> None:
    """Over 20 seeds the slopes of s**2 lie in (-0.95, -0.7): far from both ends of `SLOPE`."""
    for seed in range(20):
        for factors in (1, 2, 3):
            sizes = compare.SIZES[Scale.SMOKE]
            samples = [compare.spectra(factors, size, 20, seed, "cpu") for size in sizes]
            trend = compare.trend(samples, 2, FussCatalan(factors))
            assert -0.95 < trend.slope < -0.7
            assert trend.shrinks
            assert not compare.trend(samples, 1, FussCatalan(factors)).shrinks


@pytest.mark.parametrize("claim", [liu_density_squared.CLAIM, liu_density.CLAIM])
def test_figure_and_its_text(claim: Claim) -> None:
    figure = Figure(layout="constrained")
    evidence = studies.check(claim, SMOKE)
    text = compare.draw(figure, claim, evidence)
    figure.draw_without_rendering()
    assert [axes.get_title() for axes in figure.axes] == ["M = 1", "M = 2", "M = 3"]
    assert all(axes.get_xlabel() for axes in figure.axes)
    # Close together near 0, which the axis spreads.
    ticks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert ticks == [
        f"{tick:g}" for tick in (0, 0.2, 1, 2, 4, 8) if tick < figure.axes[0].get_xlim()[1]
    ]
    assert ("falls to" in text) is (claim is liu_density_squared.CLAIM)
    assert "N = 256" in text
    for data in evidence.series.values():
        mass = (data["density"] * np.diff(data["edges"])).sum()
        assert mass == pytest.approx(1, abs=1e-3)


def test_what_no_study_knows_is_refused() -> None:
    claim = liu_density_squared.CLAIM
    with pytest.raises(ValueError, match="no SpectrumTest"):
        studies.check(bn_jacobian.CLAIM, SMOKE)
    with pytest.raises(ValueError, match="unknown study 'tides'; known: law"):
        studies.check(replace(claim, checks=(replace(AGAINST_ITSELF, study="tides"),)), SMOKE)
    with pytest.raises(ValueError, match=r"no answer 's\^3'; known: s, s\^2"):
        studies.check(replace(claim, checks=(replace(AGAINST_ITSELF, control="s^3"),)), SMOKE)


@pytest.mark.parametrize("claim", SPECTRA, ids=lambda c: c.id)
def test_every_study_of_a_claim_is_there(claim: Claim) -> None:
    study = studies._study(claim)
    assert callable(study.check)
    assert callable(study.draw)
