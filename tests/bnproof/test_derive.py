"""A derivation as lines: every step of it, and a conclusion of the claim's own kind."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bnproof.derive import lines
from bnproof.theory.claim import Disproof, Proof, RandomTest, Settings
from bnproof.theory.claims.gradient import slides_4_1
from bnproof.theory.claims.random_matrices import liu_density
from bnproof.theory.common.errors import UserError
from bnproof.theory.proving.derivation import DerivationResult
from bnproof.verification import carry_out
from tests.theory.soundness.unsound import UNSOUND


@pytest.mark.parametrize("latex", [False, True])
def test_every_step_is_told_with_its_equation(*, latex: bool) -> None:
    claim = slides_4_1.CLAIM
    steps = claim.check_of(Proof).prove().steps
    found = list(lines(claim, latex=latex))
    assert len(steps) > 3
    for number, step in enumerate(steps, start=1):
        (place,) = (n for n, line in enumerate(found) if line.startswith(f"{number}. "))
        told = " ".join(found[place:])
        assert told.startswith(f"{number}. {step.caption()}")
        equation = step.latex if latex else step.text
        assert equation in told
    assert any(line.startswith("Conclusion confirmed: ") for line in found)
    assert any(line.startswith("Tight: ") for line in found)


def test_plain_text_is_the_default() -> None:
    claim = slides_4_1.CLAIM
    assert list(lines(claim)) == list(lines(claim, latex=False)) != list(lines(claim, latex=True))


def test_a_disproof_ends_with_the_difference_of_the_sides() -> None:
    claim = liu_density.CLAIM
    assert claim.check_of(Disproof) is not None
    found = list(lines(claim))
    assert sum(line.startswith("Right side minus left side: ") for line in found) == 1
    assert not any(line.startswith(("Conclusion", "Tight")) for line in found)


@pytest.mark.parametrize(
    "name",
    [
        "a_sentence_in_words",
        "division_by_gamma",
        "equation_is_its_hypothesis",
        "error_below_rounding",
        "false_value",
        "theorem_without_a_reference",
        "disproof_by_a_letter",
        "disproof_where_nothing_is_defined",
    ],
)
def test_what_does_not_count_has_the_reason_that_verify_gives(name: str) -> None:
    (claim,) = (case.make() for case in UNSOUND if case.name == name)
    reason = carry_out(claim.checks[0], claim, Settings()).reason
    (told,) = (line for line in lines(claim) if line.startswith("Conclusion"))
    assert reason
    assert told.startswith(f"Conclusion NOT confirmed, {reason}: ")


def _exits() -> DerivationResult:
    raise SystemExit(3)


def _never_ends() -> DerivationResult:
    return _never_ends()


@pytest.mark.parametrize(
    ("prove", "message"),
    [
        (_exits, "SystemExit: 3"),
        (_never_ends, "RecursionError: maximum recursion depth exceeded"),
        (lambda: None, "ValueError: prove returned a NoneType"),
    ],
)
def test_a_derivation_that_fails_is_one_line(
    prove: Callable[[], DerivationResult], message: str
) -> None:
    claim = replace(slides_4_1.CLAIM, checks=(Proof(prove), RandomTest()))
    with pytest.raises(UserError, match=f"slides_4_1: its derivation fails: {message}"):
        next(lines(claim))
