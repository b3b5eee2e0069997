"""Quotations and locators against the source documents."""

from dataclasses import replace
from pathlib import Path

import pytest

from bnproof.theory.common.errors import UserError
from bnproof.theory.ledger.book import Chapter, chapters
from bnproof.theory.ledger.quotations import compare, differences, normalised
from bnproof.theory.ledger.sentence import Sentence

TEXT = """# 1 First
It is well-
known that $a = b$ is   effi\ufb01cient.
Theorem 2. Both hold. (3)

## 2 Second
Then it fails.
# 1 First
And more.
"""


def chapter(**changes: str) -> Chapter:
    words = {"section": "1 First", "quotation": "It is wellknown that $a = b$ is effificient."}
    one = Sentence(document="S0", key="one", missing="x", **(words | changes))
    return Chapter("S0", "text.txt", ("1 First", "2 Second"), (one,))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"place": "Theorem 2"},
        {"place": "equation (3)"},
        {"quotation": "that $a = b$ […] Both hold. […] And more."},
        {"section": "2 Second", "quotation": "Then\nit fails."},
    ],
)
def test_what_stands_in_the_document(changes: dict[str, str]) -> None:
    assert differences(chapter(**changes), TEXT) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"quotation": "that $a = c$ is"}, "quotation"),
        ({"quotation": "that $a=b$ is"}, "quotation"),
        ({"quotation": "It IS"}, "quotation"),
        ({"quotation": "Both hold. […] It is"}, "quotation"),
        ({"quotation": "Both hold. (3) And more."}, "quotation"),
        ({"section": "2 Second"}, "section"),
        ({"place": "Theorem 3"}, "place"),
        ({"place": "equation (4)"}, "place"),
    ],
)
def test_what_differs_is_named(changes: dict[str, str], field: str) -> None:
    (line,) = differences(chapter(**changes), TEXT)
    assert line.startswith(f"S0.toml: one.{field}: ")


def test_a_heading_that_is_not_in_the_document() -> None:
    given = replace(chapter(), headings=("1 First", "3 Third"))
    assert differences(given, TEXT) == ["S0.toml: headings: '3 Third' is not in the document"]


def test_nothing_else_is_made_equal() -> None:
    assert normalised("e\u0301") == normalised("é")
    for one, other in (("𝔤ᵢ", "gi"), ("“a”", '"a"'), ("–", "-"), ("x²", "x2"), ("A", "a")):
        assert normalised(one) != normalised(other)


def test_folders_without_the_documents(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder of source documents at"):
        compare(tmp_path / "none")
    with pytest.raises(UserError, match=r"is missing; it is the text of S0"):
        compare(tmp_path)
    for chapter in chapters().values():
        if chapter.text:
            (tmp_path / chapter.text).write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"\.txt: is not UTF-8 at byte 0; give the whole text"):
        compare(tmp_path)


def test_every_quotation_is_word_for_word(root: Path) -> None:
    """Of S0 to S4; A18 is not among the documents."""
    folder = root.parent / "shared" / "sources"
    if not folder.is_dir():
        pytest.skip("the source documents are not part of the repository")
    assert [key for key, one in chapters().items() if not one.text] == ["A18"]
    assert compare(folder) == []
