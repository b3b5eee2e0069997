"""Credit: every claim names who printed it, who was first, and what is new."""

from pathlib import Path

import pytest

from bnproof.catalogue import entries
from bnproof.theory.common.errors import UserError
from bnproof.theory.ledger.credit import NONE_KNOWN, credit_of, table

GROUP = '[[credit]]\nclaims = ["a", "b"]\nfirst = ""\nnew = "all"\n'


def test_every_claim_has_its_credit() -> None:
    assert table().keys() == entries().keys()
    for claim in table():
        known = credit_of(claim)
        assert known is not None
        assert known.new
        assert all(text for _, text in known.lines())


def test_papers_after_the_sources_are_named() -> None:
    known = credit_of("santurkar_4_5")
    assert known is not None
    assert "Santurkar" in known.printed
    assert "arXiv:2502.17913" in known.first


def test_what_is_derived_here_is_printed_by_nobody() -> None:
    known = credit_of("santurkar_4_1_eps")
    assert known is not None
    assert known.lines()[0] == ("first", NONE_KNOWN)
    assert credit_of("a_claim_of_ones_own") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GROUP.replace('new = "all"', ""), "group 1: must have the fields claims, first, new"),
        (GROUP.replace('["a", "b"]', "3"), "group 1: claims must be a list of ids"),
        (GROUP.replace('"all"', "3"), "group 1: claims must be a list of ids"),
        (GROUP + GROUP, "group 2.claims: a is in another group too"),
        ("credit = 1", "is not a list"),
        ("[[credit", "is not a list"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "credit.toml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        table(path)
    assert str(caught.value).startswith("credit.toml: " + message)
    assert "\n" not in str(caught.value)
