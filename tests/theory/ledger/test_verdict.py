"""The class of a sentence: every case of the table in docs/reading.md."""

import itertools

import pytest

from bnproof.theory.ledger.verdict import FAILS, HOLDS, MINIATURE, Class, Verdict, agrees, classify

TRUE, FALSE, OPEN = "proved", "refuted", "undecided"


@pytest.mark.parametrize(
    ("as_printed", "others", "corrections", "expected"),
    [
        ([TRUE], [], [], Class.AS_PRINTED),
        ([TRUE, TRUE], [FALSE, OPEN], [OPEN], Class.AS_PRINTED),
        ([FALSE], [], [TRUE], Class.CORRECTED),
        ([TRUE, OPEN], [FALSE], [TRUE, TRUE], Class.CORRECTED),
        ([], [FALSE], [TRUE], Class.CORRECTED),
        # A correction needs a proof of each of its parts; numbers are none.
        ([FALSE], [], ["supported"], Class.FAILS),
        ([FALSE], [], [TRUE, OPEN], Class.FAILS),
        ([FALSE], [], [], Class.FAILS),
        ([FALSE, TRUE], [], [], Class.FAILS),
        ([FALSE], [FALSE, FALSE], [], Class.FAILS),
        ([], [FALSE], [], Class.FAILS),
        # It fails only if every fair reading does.
        ([FALSE], [TRUE], [], Class.OPEN),
        ([FALSE], [FALSE, OPEN], [], Class.OPEN),
        ([], [FALSE, TRUE], [], Class.OPEN),
        ([], [TRUE], [], Class.OPEN),
        ([TRUE, OPEN], [], [], Class.OPEN),
        ([OPEN], [FALSE], [], Class.OPEN),
        ([], [], [], Class.OPEN),
        ([], [], [OPEN], Class.OPEN),
    ],
)
def test_classes(
    as_printed: list[str], others: list[str], corrections: list[str], expected: Class
) -> None:
    assert classify(as_printed, others, corrections) is expected
    assert classify(as_printed[::-1], others[::-1], corrections[::-1]) is expected


def test_every_verdict_holds_fails_or_is_open() -> None:
    assert not HOLDS & FAILS
    assert set(Verdict) == HOLDS | FAILS | MINIATURE | {Verdict.UNDECIDED}


@pytest.mark.parametrize("verdict", sorted(MINIATURE))
def test_what_is_seen_in_miniature_decides_nothing(verdict: Verdict) -> None:
    places = itertools.product(([], [verdict]), repeat=3)
    for as_printed, others, corrections in places:
        assert classify(as_printed, others, corrections) is Class.OPEN
        if as_printed:
            assert classify(as_printed, [FALSE], []) is Class.OPEN


def test_a_miniature_of_what_is_expected_is_no_surprise() -> None:
    assert agrees(Verdict.SEEN, Verdict.REPRODUCED)
    assert agrees(Verdict.NOT_SEEN, Verdict.NOT_REPRODUCED)
    assert not agrees(Verdict.SEEN, Verdict.NOT_REPRODUCED)
    assert not agrees(Verdict.REPRODUCED, Verdict.SEEN)
    assert not agrees(Verdict.SEEN, Verdict.UNDECIDED)
    assert not agrees(None, None)
    assert all(agrees(verdict, verdict) for verdict in Verdict)
