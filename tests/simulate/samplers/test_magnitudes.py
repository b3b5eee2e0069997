"""No symbol has a unit of rounding so large that the check would be blind to an error in it."""

from itertools import islice

import pytest
import torch

import bnproof.theory.claims
from bnproof.simulate import check
from bnproof.simulate.relation import TOLERANCE
from bnproof.theory.claim import Claim, RandomTest, Scale, Settings
from bnproof.theory.loading import load_folder

CLAIMS = [
    c for c in load_folder(bnproof.theory.claims) if isinstance(c, Claim) and c.check_of(RandomTest)
]
SEEN = 5e-9  # an error of this share of a symbol must be seen where its terms cancel least
# What is 0 in every instance, as the statement says or by its meaning: its error has no share.
ZERO = {
    *("E[error]_k", "mean(a)", "sum_j dL_b/dO_bj"),
    *("Hess_ki(centred)", "Hess_ki(scaled)", "|G_1-G_1'|", "Cl_2(2pi/(M+1))", "negative at others"),
}


def test_an_error_of_any_letter_is_seen() -> None:
    """The magnitude, in which errors are measured, is not far above the value everywhere."""
    least: dict[str, float] = {}
    tolerance = TOLERANCE[torch.float64]
    for claim in CLAIMS:
        symbols = claim.relation.free_symbols | claim.control.free_symbols
        wanted = {a for a in symbols if least.get(str(a), 1.0) > SEEN and str(a) not in ZERO}
        for _, measured in islice(check._batches(claim, Settings(scale=Scale.SMOKE)), 60):
            if not wanted:
                break
            for symbol in list(wanted):
                value = measured.value(symbol).abs().double().flatten()
                unit = measured.magnitude(symbol).abs().double().flatten()
                share = (tolerance * unit / value).nan_to_num(nan=1.0).median().item()
                least[str(symbol)] = min(share, least.get(str(symbol), 1.0))
                wanted -= {symbol} if share <= SEEN else set()
    assert len(least) > 80
    assert {name: share for name, share in least.items() if share > SEEN} == {}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_magnitude_is_at_least_its_value(claim: Claim) -> None:
    """It is the sum of the absolute values of the terms of which the value is the sum."""
    (_, measured), *_ = islice(check._batches(claim, Settings(scale=Scale.SMOKE)), 1)
    for symbol in claim.relation.free_symbols | claim.control.free_symbols:
        value, unit = measured.value(symbol).abs(), measured.magnitude(symbol).abs()
        assert (value <= unit * (1 + 1e-9)).all(), symbol
