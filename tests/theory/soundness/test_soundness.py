"""An unsound claim is refused, or stays undecided, for its own reason."""

from dataclasses import replace

import pytest

from bnproof.theory.claim import Proof, Scale, Settings, Verdict, decide, why_undecided
from bnproof.theory.claims.lp import slides_lp_no_moment_control
from bnproof.theory.normalizers.groups import JENSEN
from bnproof.theory.prove import check
from bnproof.theory.proving.derivation import DerivationResult
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
    for spec in claim.checks:
        try:
            found.append(carry_out(spec, claim, settings))
        except (ValueError, ArithmeticError) as error:
            return str(error)
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


def test_a_derivation_cannot_leave_out_the_theorem_of_its_lemma() -> None:
    claim = slides_lp_no_moment_control.CLAIM

    def silent() -> DerivationResult:
        whole = slides_lp_no_moment_control.prove()
        steps = tuple(step for step in whole.steps if step.kind != "cited")
        return replace(whole, steps=steps, rests_on=())

    checks = tuple(
        replace(spec, prove=silent) if isinstance(spec, Proof) else spec for spec in claim.checks
    )
    found = check(replace(claim, checks=checks), Settings())
    assert found.holds
    assert found.given == (JENSEN.theorem,)


@pytest.mark.parametrize("count", [2, 3])
def test_a_gram_determinant_is_a_smaller_one_times_a_squared_length(count: int) -> None:
    assert gram_residual(count) == 0
