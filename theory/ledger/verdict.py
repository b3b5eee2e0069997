"""Verdicts of claims, and the class of a sentence that follows from them."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """What the evidence says about a claim.

    ``reproduced`` and ``not reproduced`` are for experiments at the setting of the source; below it
    an effect is seen in miniature or not, which makes nothing true or false.
    """

    PROVED = "proved"
    REFUTED = "refuted"
    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    SEEN = "seen in miniature"
    NOT_SEEN = "not seen in miniature"
    UNDECIDED = "undecided"


HOLDS: Final = frozenset({Verdict.PROVED, Verdict.SUPPORTED, Verdict.REPRODUCED})
FAILS: Final = frozenset({Verdict.REFUTED, Verdict.UNSUPPORTED, Verdict.NOT_REPRODUCED})
DEFINITION: Final = "definition"  # in place of a class
MINIATURE: Final = frozenset({Verdict.SEEN, Verdict.NOT_SEEN})
# What an experiment is expected to give at a smaller scale.
SMALLER: Final = {
    Verdict.REPRODUCED: Verdict.SEEN,
    Verdict.NOT_REPRODUCED: Verdict.NOT_SEEN,
}


def agrees(verdict: Verdict | None, expected: Verdict | None) -> bool:
    """Whether a verdict is as expected; a miniature cannot give more than its own verdict."""
    smaller = None if expected is None else SMALLER.get(expected)
    return verdict is not None and verdict in (expected, smaller)


class Class(StrEnum):
    """What is known of a sentence."""

    AS_PRINTED = "holds as printed"
    CORRECTED = "holds with a correction"
    FAILS = "fails"
    OPEN = "open"


def classify(as_printed: Iterable[str], others: Iterable[str], corrections: Iterable[str]) -> Class:
    """Return the class of a sentence from the verdicts of its readings and of its correction.

    Parameters
    ----------
    as_printed
        Verdicts of the readings that together are the sentence as its author means it.
    others
        Verdicts of the other readings; a fair reading that has no check is undecided.
    corrections
        Verdicts of the claims that together are its corrected form.

    Examples
    --------
    >>> classify(["proved"], ["refuted"], [])
    <Class.AS_PRINTED: 'holds as printed'>
    >>> classify(["refuted"], [], ["proved"])
    <Class.CORRECTED: 'holds with a correction'>
    >>> classify(["not seen in miniature"], [], [])
    <Class.OPEN: 'open'>
    """
    printed, other, corrected = list(as_printed), list(others), list(corrections)
    if printed and all(verdict in HOLDS for verdict in printed):
        return Class.AS_PRINTED
    if corrected and all(verdict == Verdict.PROVED for verdict in corrected):
        return Class.CORRECTED
    meant = any(verdict in FAILS for verdict in printed) if printed else bool(other)
    if meant and all(verdict in FAILS for verdict in other):
        return Class.FAILS
    return Class.OPEN
