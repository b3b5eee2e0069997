"""All sentences, read from ``documents/*.toml``, and what they say of each claim."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from bnproof.theory.common.errors import UserError
from bnproof.theory.ledger.sentence import Sentence, parse
from bnproof.theory.ledger.verdict import DEFINITION, Class
from bnproof.theory.sources import DOCUMENTS, Source

FOLDER: Final = Path(__file__).parent / "documents"


@dataclass(frozen=True)
class Chapter:
    """The sentences of one document.

    Attributes
    ----------
    document
        Its key, such as ``"S3"``.
    text
        File name of its text; empty if the text is not among the sources.
    headings
        Its headings, in order.
    sentences
        Its sentences, in order.
    """

    document: str
    text: str
    headings: tuple[str, ...]
    sentences: tuple[Sentence, ...]


def read(path: Path) -> Chapter:
    """Read the sentences of one document.

    Raises
    ------
    UserError
        One line that names file and field.
    """
    document = path.stem
    if document not in DOCUMENTS:
        raise UserError(f"{path.name}: is named after no document of `bnproof.theory.sources`")
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path.name}: is not TOML: {error}") from None
    text, headings = rows.pop("text", ""), rows.pop("headings", [])
    if not isinstance(text, str):
        raise UserError(f"{path.name}: text: must be a file name")
    if not isinstance(headings, list) or not all(isinstance(one, str) for one in headings):
        raise UserError(f"{path.name}: headings: must be a list of headings")
    sentences = tuple(parse(document, key, row) for key, row in rows.items())
    for sentence in sentences:
        if sentence.section not in headings:
            raise UserError(
                f"{path.name}: {sentence.key}.section: {sentence.section!r} is not in `headings`"
            )
    return Chapter(document, text, tuple(headings), sentences)


@cache
def chapters(folder: Path = FOLDER) -> dict[str, Chapter]:
    """All documents that have sentences, in the order of `DOCUMENTS`.

    Raises
    ------
    UserError
        If a file is malformed, a repeated sentence is unknown, or a claim reads two sentences.
    """
    found = {path.stem: read(path) for path in folder.glob("*.toml")}
    ordered = {key: found[key] for key in DOCUMENTS if key in found}
    known = {one.id: one for chapter in ordered.values() for one in chapter.sentences}
    reader: dict[str, Sentence] = {}
    for sentence in known.values():
        where = f"{sentence.document}.toml: {sentence.key}"
        if sentence.repeats and known.get(sentence.repeats, sentence).repeats:
            raise UserError(f"{where}.repeats: {sentence.repeats} must be a sentence with readings")
        for claim in sentence.read_by:
            if claim in reader:
                raise UserError(
                    f"{where}.readings: {claim} already reads {reader[claim].id}; "
                    "a claim reads one sentence"
                )
            reader[claim] = sentence
    return ordered


def sentences() -> dict[str, Sentence]:
    """All sentences by id, document by document."""
    return {one.id: one for chapter in chapters().values() for one in chapter.sentences}


@cache
def _by_claim() -> dict[str, Sentence]:
    return {claim: one for one in sentences().values() for claim in one.read_by}


def read_by(claim_id: str) -> Sentence | None:
    """The sentence that a claim reads, or None."""
    return _by_claim().get(claim_id)


def corrected_by(claim_id: str) -> list[Sentence]:
    """The sentences of which a claim is the corrected form, or part of it."""
    return [one for one in sentences().values() if claim_id in one.correction]


def repeated(sentence: Sentence) -> list[Sentence]:
    """The sentences of other documents that say the same."""
    return [one for one in sentences().values() if one.repeats == sentence.id]


def original(sentence: Sentence) -> Sentence:
    """The sentence that has the readings: the one that this one repeats, or itself."""
    return sentences()[sentence.repeats] if sentence.repeats else sentence


def places(claim_id: str) -> tuple[Source, ...]:
    """Where a claim comes from: empty if no sentence lists it.

    These are the place of the sentence that it reads and those where others repeat it; a claim that
    only corrects sentences is derived here.
    """
    sentence = read_by(claim_id)
    if sentence is not None:
        return (sentence.source, *(one.source for one in repeated(sentence)))
    corrected = [str(one.source) for one in corrected_by(claim_id)]
    return (Source("derived", f"corrected form of {'; '.join(corrected)}"),) if corrected else ()


def class_of(sentence: Sentence, verdicts: Mapping[str, str]) -> Class | None:
    """Class of a sentence by the verdicts of claims; None for a definition."""
    return original(sentence).class_by(verdicts)


def class_in_words(sentence: Sentence, verdicts: Mapping[str, str]) -> str:
    """The class of a sentence, with the slip that is corrected or what is missing."""
    found, own = class_of(sentence, verdicts), original(sentence)
    if found is Class.CORRECTED:
        return f"{found}: {own.slip}"
    if found is Class.OPEN:
        return f"{found}: {own.still_open(verdicts)}"
    return str(found or DEFINITION)


def described(sentence: Sentence, verdicts: Mapping[str, str]) -> dict[str, Any]:
    """A sentence as JSON; `missing` is what is missing to decide it, empty unless it is open."""
    own, found = original(sentence), class_of(sentence, verdicts)
    return {
        "id": sentence.id,
        "document": sentence.document,
        "locator": sentence.source.locator,
        "quotation": sentence.quotation.strip(),
        "class": str(found or DEFINITION),
        "repeats": sentence.repeats or None,
        "as_printed": list(sentence.as_printed),
        "readings": list(sentence.readings),
        "correction": list(sentence.correction),
        "slip": own.slip,
        "missing": own.still_open(verdicts) if found is Class.OPEN else "",
    }


def flaws(proofs: Mapping[str, bool]) -> list[str]:
    """Compare the sentences with the claims; return a line that names file and field for each flaw.

    Parameters
    ----------
    proofs
        For every claim that there is, whether it is expected to be proved.
    """
    found = []
    for sentence in sentences().values():
        where = f"{sentence.document}.toml: {sentence.key}"
        for name in ("as_printed", "readings", "correction"):
            found += [
                f"{where}.{name}: there is no claim {claim}"
                for claim in getattr(sentence, name)
                if claim not in proofs
            ]
        found += [
            f"{where}.correction: {claim} is not proved; a correction needs a proof"
            for claim in sentence.correction
            if claim in proofs and not proofs[claim]
        ]
    return found


def tally(verdicts: Mapping[str, str]) -> dict[str, dict[Class | None, int]]:
    """Number of sentences of each class, by document; None counts the definitions."""
    table: dict[str, dict[Class | None, int]] = {}
    for sentence in sentences().values():
        row = table.setdefault(sentence.document, dict.fromkeys((*Class, None), 0))
        row[class_of(sentence, verdicts)] += 1
    return table


def total(table: Mapping[str, Mapping[Class | None, int]]) -> dict[Class | None, int]:
    """The sum of the rows of a tally."""
    return {name: sum(row[name] for row in table.values()) for name in (*Class, None)}
