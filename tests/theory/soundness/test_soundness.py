"""An unsound claim is refused, or stays undecided, for its own reason."""

import pytest

from bnproof.theory.claim import Scale, Settings, Verdict, decide, why_undecided
from bnproof.theory.proving.lemmas import gram_residual
from bnproof.verification import carry_out
from tests.theory.soundness.unsound import UNSOUND, Unsound


def reason(case: Unsound) -> str:
    """Why the claim is refused or undecided; empty if it has a verdict."""
    try:
        claim = case.make()
    except ValueError as error:
        return str(error)
    settings, found = Settings(scale=Scale.SMOKE), []
    for check in claim.checks:
        found.append(carry_out(check, claim, settings))
        # What has its reason already needs no random instances.
        if found[-1].reason and not found[-1].control_differs:
            break
    assert decide(found) is Verdict.UNDECIDED
    return why_undecided(found)


def test_there_are_enough() -> None:
    assert len({case.name for case in UNSOUND}) == len(UNSOUND) >= 30


@pytest.mark.parametrize("case", UNSOUND, ids=lambda case: case.name)
def test_an_unsound_claim_has_no_verdict(case: Unsound) -> None:
    found = reason(case)
    assert case.why in found


@pytest.mark.parametrize("count", [2, 3])
def test_a_gram_determinant_is_a_smaller_one_times_a_squared_length(count: int) -> None:
    assert gram_residual(count) == 0
