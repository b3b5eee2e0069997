"""How evidence becomes a verdict, and what a claim must have."""

from dataclasses import replace
from fractions import Fraction

import pytest
import sympy as sp

from bnproof.theory.claim import (
    Claim,
    Counterexample,
    Disproof,
    Evidence,
    ExactCase,
    Kind,
    Proof,
    RandomTest,
    Verdict,
    decide,
)
from bnproof.theory.proving.derivation import DerivationResult
from bnproof.theory.sources import Source


def found(kind: Kind, holds: bool | None, control_differs: bool = True) -> Evidence:
    return Evidence(kind, holds, control_differs, "")


def miniature(seen: bool, control_differs: bool = True) -> Evidence:
    return replace(found(Kind.EXPERIMENT, None, control_differs), miniature=True, seen=seen)


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        ([found(Kind.PROOF, True), found(Kind.INSTANCES, True)], Verdict.PROVED),
        ([found(Kind.COUNTEREXAMPLE, False), found(Kind.INSTANCES, False)], Verdict.REFUTED),
        (
            [
                found(Kind.COUNTEREXAMPLE, False),
                found(Kind.PROOF, None),
                found(Kind.INSTANCES, False),
            ],
            Verdict.REFUTED,
        ),
        ([found(Kind.INSTANCES, True)], Verdict.SUPPORTED),
        ([found(Kind.SPECTRA, False)], Verdict.UNSUPPORTED),
        ([found(Kind.EXPERIMENT, True)], Verdict.REPRODUCED),
        ([found(Kind.EXPERIMENT, False)], Verdict.NOT_REPRODUCED),
        ([miniature(True)], Verdict.SEEN),
        ([miniature(False), found(Kind.INSTANCES, False)], Verdict.NOT_SEEN),
        # Beside an answer at the source's setting a miniature does not count, whatever it says.
        ([found(Kind.EXPERIMENT, True), miniature(False)], Verdict.REPRODUCED),
        ([found(Kind.EXPERIMENT, True), miniature(True, False)], Verdict.REPRODUCED),
        ([found(Kind.EXPERIMENT, None), miniature(True)], Verdict.SEEN),
        ([miniature(True), miniature(False)], Verdict.UNDECIDED),
        # Two paths that contradict one another, a control without power, no answer, nothing.
        ([found(Kind.PROOF, True), found(Kind.INSTANCES, False)], Verdict.UNDECIDED),
        ([found(Kind.PROOF, True), found(Kind.INSTANCES, True, False)], Verdict.UNDECIDED),
        ([found(Kind.PROOF, None, False)], Verdict.UNDECIDED),
        ([], Verdict.UNDECIDED),
    ],
)
def test_decide(evidence: list[Evidence], verdict: Verdict) -> None:
    assert decide(evidence) is verdict


@pytest.mark.parametrize("wrong", [{"holds": True, "miniature": True}, {"seen": False}])
def test_a_miniature_alone_is_seen_and_nothing_else(wrong: dict[str, bool]) -> None:
    with pytest.raises(ValueError, match="give `seen` for a miniature"):
        replace(found(Kind.EXPERIMENT, None), **wrong)  # type: ignore[arg-type]


def minimal(**changes: object) -> Claim:
    fields: dict[str, object] = {
        "id": "example",
        "title": "An example.",
        "sources": (Source("S0", "slide 1"),),
        "statement": "1 = 1",
        "expected": Verdict.PROVED,
        "checks": (RandomTest(),),
        "relation": sp.Eq(sp.Symbol("a"), 1),
        "control": sp.Eq(sp.Symbol("a"), 2),
    }
    return Claim(**(fields | changes))  # type: ignore[arg-type]


CASE = Counterexample.of(y=[-1, 1], b=[0, 1])
LESS = sp.Le(sp.Symbol("a"), 2)


def prove() -> DerivationResult:
    raise AssertionError("nothing is derived before it is asked for")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": ()}, "example: sources"),
        ({"checks": ()}, "example: checks"),
        ({"control": None}, "example: control"),
        ({"relation": None}, "example: control"),
        # What could not decide anything: two of a kind, a disproof of <=, no independent path.
        ({"checks": (RandomTest(), RandomTest())}, "example: checks: give at most one"),
        (
            {"checks": (CASE, ExactCase("", dict), RandomTest())},
            "example: checks: give at most one",
        ),
        (
            {"checks": (Disproof(prove),), "relation": LESS},
            "example: checks: Disproof needs an equation",
        ),
        *(
            ({"checks": (means,)}, f"example: checks: {type(means).__name__} needs an independent")
            for means in (Proof(prove), Disproof(prove), CASE, ExactCase("", dict))
        ),
    ],
)
def test_an_incomplete_claim_names_itself_and_the_field(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        minimal(**change)


@pytest.mark.parametrize("sizes", [(), 8, (0,), (2.5,), (True,), "8", None])
def test_sizes_of_a_random_test_are_whole_numbers(sizes: object) -> None:
    with pytest.raises(ValueError, match=r"^checks: RandomTest: sizes = .*: give whole numbers"):
        RandomTest(sizes=sizes)  # type: ignore[arg-type]


def test_a_source_needs_a_known_document_and_a_locator() -> None:
    with pytest.raises(ValueError, match=r"document .S9.: must be one of"):
        Source("S9", "page 1")
    with pytest.raises(ValueError, match="locator"):
        Source("S0", " ")


def test_counterexample_reads_strings_and_integers() -> None:
    case = Counterexample.of(y=[1, "1/2"], b=[0, 1], A=[[1, 0], [0, 1]], eps="3/4")
    assert case.y == (Fraction(1), Fraction(1, 2))
    assert case.eps == Fraction(3, 4)
    assert case.A[0] == (Fraction(1), Fraction(0))
