"""Constants of layers: one product that differs decides, among any number that do not."""

import numpy as np
import pytest

from bnproof.simulate.random_matrices.studies import scale
from bnproof.simulate.random_matrices.studies import table as studies
from bnproof.theory.claim import Scale, Settings, SpectrumTest
from bnproof.theory.claims.random_matrices.bjorck_scale_free import CLAIM

SMOKE = Settings(scale=Scale.SMOKE)
FACTORS = CLAIM.check_of(SpectrumTest).factors


@pytest.mark.parametrize(
    ("change", "holds"),
    [(0.0, True), (0.9e-9, True), (-0.9e-9, True), (1.1e-9, False), (-1.1e-9, False)],
)
@pytest.mark.parametrize("where", range(len(FACTORS)))
def test_a_change_in_one_product_decides(
    monkeypatch: pytest.MonkeyPatch, change: float, holds: bool, where: int
) -> None:
    """The condition numbers are given: plain, statement, control, for each number of factors."""
    given = []
    for number in range(len(FACTORS)):
        plain, one = np.linspace(1, 2, 5), np.zeros(5)
        one[3] = change * (number == where)
        given += [plain, plain + one, plain + 1.0]
    monkeypatch.setattr(scale, "_log_condition", lambda layers, device: given.pop(0))
    evidence = studies.check(CLAIM, SMOKE)
    assert given == []
    assert evidence.holds is holds
    assert evidence.control_differs is holds
    name = f"M = {FACTORS[where]}"
    found = evidence.numbers["largest change of log kappa, one constant a factor"]
    assert found[name] == pytest.approx(abs(change), rel=1e-2, abs=1e-15)


def test_constants_of_initialisations_come_first_and_others_spread_over_six_decades() -> None:
    rng = np.random.default_rng(0)
    constants = scale._per_factor(rng, 0, 1000).ravel()
    assert constants[:2] == pytest.approx([1.0, 2**0.5])
    assert 1e-3 <= constants.min() < 2e-3
    assert 500 < constants.max() <= 1e3
    assert np.median(constants) == pytest.approx(1, rel=0.5)
    assert scale._per_row(rng, 0, 7).shape == (7, scale.SIZE, 1)
