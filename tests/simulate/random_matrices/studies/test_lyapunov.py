"""Lyapunov exponents, and the studies of tails and of constants."""

import json
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from scipy.integrate import quad
from scipy.stats import chi2

from bnproof.simulate.random_matrices.spectra.sampling import Field, sample_singular_values
from bnproof.simulate.random_matrices.studies import lyapunov, scale, tails
from bnproof.simulate.random_matrices.studies import table as studies
from bnproof.theory.claim import Claim, Kind, Scale, Settings, SpectrumTest, Verdict, decide
from bnproof.theory.claims.random_matrices import bjorck_heavier_tails, bjorck_scale_free
from bnproof.theory.claims.random_matrices import lyapunov as claim_module
from bnproof.theory.prove import check as derive
from bnproof.theory.random_matrices.products import EXPONENT, N, freedom, psi

SMOKE = Settings(scale=Scale.SMOKE)
CLAIMS = [
    (claim_module.CLAIM, lyapunov),
    (bjorck_heavier_tails.CLAIM, tails),
    (bjorck_scale_free.CLAIM, scale),
]


def _mean_log(law: object, power: int, middle: float) -> float:
    """E (log u)^power by quadrature over log u."""
    return quad(
        lambda v: law.pdf(np.exp(v)) * np.exp(v) * v**power,  # type: ignore[attr-defined]
        -60,
        12,
        points=[middle - 1, middle, middle + 1],
        limit=400,
    )[0]


@pytest.mark.parametrize("size", [1, 5, 200])
def test_exponents_are_means_of_the_chi_squared_law(size: int) -> None:
    found = lyapunov.exponents(size)
    spread = lyapunov.deviations(size)
    assert found.shape == (size,)
    for k in {1, (size + 1) // 2, size}:
        law, middle = chi2(size - k + 1), np.log(size - k + 1)
        mean, square = (_mean_log(law, power, middle) for power in (1, 2))
        assert found[k - 1] == pytest.approx((mean - np.log(size)) / 2, abs=1e-8)
        assert spread[k - 1] == pytest.approx((square - mean**2) ** 0.5 / 2, abs=1e-7)
    assert np.all(np.diff(found) < 0)


def test_the_simulated_formula_is_the_proved_one() -> None:
    from scipy.special import digamma

    for k, value in enumerate(lyapunov.exponents(6), start=1):
        exact = EXPONENT.subs({N: 6, freedom: 7 - k, psi: digamma((7 - k) / 2)})
        assert value == pytest.approx(float(exact), rel=1e-13)


@pytest.mark.parametrize("field", ["real", "complex"])
def test_the_sum_is_the_mean_log_determinant_of_samples(field: Field) -> None:
    """Within 5 standard errors, for one factor and any N."""
    size, repeats = 9, 4000
    sums = sample_singular_values([size] * 2, repeats, field=field, seed=4).log().sum(-1).numpy()
    error = lyapunov.deviations(size, field)
    assert abs(sums.mean() - lyapunov.exponents(size, field).sum()) < 5 * sums.std() / repeats**0.5
    # The r_kk are independent.
    assert sums.var() == pytest.approx((error**2).sum(), rel=5 * (2 / repeats) ** 0.5)


def test_log_diagonals_add_up_to_the_determinant() -> None:
    rng = np.random.default_rng(0)
    factors = [torch.from_numpy(rng.standard_normal((3, 5, 5))) for _ in range(4)]
    logs = lyapunov.log_diagonals(factors)
    assert logs.shape == (4, 3, 5)
    for factor, row in zip(factors, logs, strict=True):
        torch.testing.assert_close(row.sum(-1), torch.linalg.slogdet(factor).logabsdet)


@pytest.mark.parametrize(("size", "field"), [(0, "real"), (True, "real"), (2, "quaternion")])
def test_bad_input(size: int, field: Field) -> None:
    with pytest.raises(ValueError, match="must be"):
        lyapunov.exponents(size, field)


@pytest.fixture(scope="module")
def evidence() -> dict:
    return {claim.id: studies.check(claim, SMOKE) for claim, _ in CLAIMS}


@pytest.mark.parametrize(("claim", "module"), CLAIMS, ids=[claim.id for claim, _ in CLAIMS])
def test_the_means_give_the_expected_verdict(
    claim: Claim, module: ModuleType, evidence: dict
) -> None:
    found = evidence[claim.id]
    assert found.kind is Kind.SPECTRA
    assert found.holds
    assert found.control_differs
    exact = [derive(claim, SMOKE)] if claim.expected is Verdict.PROVED else []
    assert decide([found, *exact]) is claim.expected
    assert json.loads(json.dumps(found.numbers, allow_nan=False))
    assert json.loads(json.dumps(found.provenance))["study"] == claim.check_of(SpectrumTest).study


@pytest.mark.parametrize(("claim", "module"), CLAIMS, ids=[claim.id for claim, _ in CLAIMS])
def test_figures_and_their_text(claim: Claim, module: ModuleType, evidence: dict) -> None:
    figure = Figure(layout="constrained")
    text = studies.draw(figure, claim, evidence[claim.id])
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert axes.get_title().startswith(claim.id)
    assert axes.get_ylabel()
    assert text.endswith(".")


@pytest.mark.parametrize(("claim", "module"), CLAIMS, ids=[claim.id for claim, _ in CLAIMS])
def test_the_control_as_the_statement_does_not_hold(claim: Claim, module: ModuleType) -> None:
    spec = claim.check_of(SpectrumTest)
    turned = replace(spec, statement=spec.control, control=spec.statement, factors=spec.factors[:3])
    found = studies.check(replace(claim, checks=(turned,)), SMOKE)
    assert not found.holds
    assert found.control_differs
    figure = Figure(layout="constrained")
    assert studies.draw(figure, replace(claim, checks=(turned,)), found)


@pytest.mark.slow
@pytest.mark.parametrize(("claim", "module"), CLAIMS, ids=[claim.id for claim, _ in CLAIMS])
def test_the_verdict_does_not_depend_on_the_seed(claim: Claim, module: ModuleType) -> None:
    for seed in range(1, 11):
        found = studies.check(claim, replace(SMOKE, seed=seed))
        assert found.holds
        assert found.control_differs
