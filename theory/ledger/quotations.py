"""Compare every quotation and locator with the text of the source documents.

Both texts are normalised first: white space is collapsed, words hyphenated at the end of a line are
joined, ligatures are spelled out, and accented letters are composed.  Nothing else may differ;
formulas are compared in the LaTeX of the document.
"""

import re
import unicodedata
from pathlib import Path
from typing import Final

from bnproof.theory.common.errors import UserError
from bnproof.theory.ledger.book import Chapter, chapters
from bnproof.theory.ledger.sentence import OMISSION, Sentence

LIGATURES: Final = str.maketrans({"ﬁ": "fi", "ﬂ": "fl", "ﬀ": "ff", "ﬃ": "ffi", "ﬄ": "ffl"})
BREAK: Final = "¶"  # between runs of slides, so that no quotation reaches across
NUMBERED: Final = re.compile(r"equation \((\d+)\)")


def normalised(text: str) -> str:
    """The text with white space, hyphenation, ligatures and forms of letters made equal."""
    text = unicodedata.normalize("NFC", text.translate(LIGATURES)).replace("\u00ad", "")
    return " ".join(re.sub(r"(?<=[a-z])-\n\s*(?=[a-z])", "", text).split())


def sections(text: str, headings: tuple[str, ...]) -> dict[str, str]:
    """Return the text below each heading of a document.

    A heading is a line of its own, possibly with the ``#`` of Markdown.  Slides that have the same
    heading are one section, in which a quotation without an omission stands on slides in a row.
    """
    parts: dict[str, list[str]] = {"": [""]}
    heading = ""
    for line in text.split("\n"):
        title = " ".join(line.lstrip("# ").split())
        if title in headings and title != heading:
            heading = title
            parts.setdefault(heading, []).append("")
        elif title != heading:
            parts[heading][-1] += f"{line}\n"
    return {heading: f" {BREAK} ".join(map(normalised, run)) for heading, run in parts.items()}


def compare(folder: Path) -> list[str]:
    """Return a line that names file and field for each quotation or locator that differs.

    Parameters
    ----------
    folder
        Folder of the source documents, as text files named as in ``documents/*.toml``.

    Raises
    ------
    UserError
        If the folder or a document is missing, or a document is not text.
    """
    if not folder.is_dir():
        raise UserError(
            f"no folder of source documents at {folder}; name the folder of their texts"
        )
    found: list[str] = []
    for chapter in chapters().values():
        if chapter.text:
            path = folder / chapter.text
            if not path.is_file():
                raise UserError(
                    f"{path}: is missing; it is the text of {chapter.document}, put it there"
                )
            found += differences(chapter, _read(path))
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: is not UTF-8 at byte {error.start}; give the whole text of the document"
        ) from None


def differences(chapter: Chapter, text: str) -> list[str]:
    """Return a line for each heading, locator or quotation that is not in the text."""
    parts = sections(text, chapter.headings)
    where = f"{chapter.document}.toml"
    found = [
        f"{where}: headings: {one!r} is not in the document"
        for one in chapter.headings
        if one not in parts
    ]
    for sentence in chapter.sentences:
        here = parts.get(sentence.section, "")
        if not quotes(sentence, here):
            elsewhere = any(quotes(sentence, part) for part in parts.values())
            field = "section" if elsewhere else "quotation"
            reason = "stands under another heading" if elsewhere else "is not in the document"
            found.append(f"{where}: {sentence.key}.{field}: {_begin(sentence)} {reason}")
        elif not names(sentence.place, here):
            found.append(f"{where}: {sentence.key}.place: {sentence.place!r} is not in its section")
    return found


def quotes(sentence: Sentence, text: str) -> bool:
    """Whether a normalised text has the parts of the quotation, in order."""
    start = 0
    for part in map(normalised, sentence.quotation.split(OMISSION)):
        at = text.find(part, start)
        if at < 0:
            return False
        start = at + len(part)
    return True


def names(place: str, text: str) -> bool:
    """Whether a normalised text has a theorem, figure, table or numbered equation."""
    number = NUMBERED.fullmatch(place)
    marks = [f"({number[1]})", f"tag{{{number[1]}}}"] if number else [place]
    return any(mark in text for mark in marks)


def _begin(sentence: Sentence) -> str:
    words = normalised(sentence.quotation)
    return repr(words if len(words) <= 60 else words[:59] + "…")
