"""One sentence of a source: quotation, place, and the claims that read or correct it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from bnproof.theory.common.errors import UserError
from bnproof.theory.ledger.verdict import Class, Verdict, classify
from bnproof.theory.sources import Source

OMISSION: Final = "[…]"
LISTS: Final = ("as_printed", "readings", "correction")
UNKNOWN: Final = str(Verdict.UNDECIDED)


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A sentence of a source document.

    Attributes
    ----------
    document, key
        The document, such as ``"S3"``, and the name of the sentence in its file.
    section
        The last heading before it, as printed.
    place
        Where in the section: a theorem, figure, table or equation; may be empty.
    quotation
        The sentence word for word, with its formulas; ``[…]`` marks an omission.
    definition
        Whether it defines something, and so is neither true nor false.
    as_printed
        Ids of the claims that together are the sentence as its author means it.
    readings
        Ids of claims that read it in other ways, all of them fair.
    missing
        A fair reading or a part that no claim covers, in words; may be empty.
    correction, slip
        Ids of the claims that together are its corrected form, and what is corrected.
    repeats
        Id of a sentence of another document that says the same; its readings are those of that one.
    """

    document: str
    key: str
    section: str
    quotation: str
    place: str = ""
    definition: bool = False
    as_printed: tuple[str, ...] = ()
    readings: tuple[str, ...] = ()
    missing: str = ""
    correction: tuple[str, ...] = ()
    slip: str = ""
    repeats: str = ""

    @property
    def id(self) -> str:
        """Document and key."""
        return f"{self.document}.{self.key}"

    @property
    def source(self) -> Source:
        """The document and where the sentence stands in it."""
        return Source(self.document, ", ".join(filter(None, (self.section, self.place))))

    @property
    def read_by(self) -> tuple[str, ...]:
        """Ids of all claims that read it."""
        return (*self.as_printed, *self.readings)

    @property
    def claims(self) -> tuple[str, ...]:
        """Ids of all claims that read or correct it."""
        return (*self.read_by, *self.correction)

    def class_by(self, verdicts: Mapping[str, str]) -> Class | None:
        """Class of the sentence by the verdicts of claims; None for a definition.

        A claim without a verdict is undecided.
        """
        if self.definition:
            return None
        found = {
            name: [verdicts.get(claim, UNKNOWN) for claim in getattr(self, name)] for name in LISTS
        }
        # What no claim covers may be a part of the sentence: without it nothing holds as printed.
        gap = [UNKNOWN] if self.missing else []
        printed = [*found["as_printed"], *gap] if self.as_printed else []
        return classify(printed, [*found["readings"], *gap], found["correction"])

    def still_open(self, verdicts: Mapping[str, str]) -> str:
        """What is missing to decide an open sentence."""
        parts = [f"{claim}: {verdicts.get(claim, 'not verified')}" for claim in self.read_by]
        return "; ".join([*parts, *([self.missing] if self.missing else [])])


def parse(document: str, key: str, row: Any) -> Sentence:
    """Create a sentence from a table of a file of sentences.

    Raises
    ------
    UserError
        One line that names file and field, if a field is unknown, missing or of the wrong type, or
        fields contradict one another.
    """
    where = f"{document}.toml: {key}"
    if not isinstance(row, dict):
        raise UserError(f"{where}: must be a table, with section and quotation")
    known = {field.name: field for field in fields(Sentence)}
    for name, value in row.items():
        if name not in known or name in ("document", "key"):
            raise UserError(f"{where}.{name}: is not a field of a sentence")
        kind: type = list if name in LISTS else bool if name == "definition" else str
        if not isinstance(value, kind):
            raise UserError(f"{where}.{name}: must be of type {kind.__name__}")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise UserError(f"{where}.{name}: must be a list of claim ids")
    for name in ("section", "quotation"):
        if not row.get(name, "").strip():
            raise UserError(f"{where}.{name}: is missing")
    values: dict[str, Any] = {
        name: tuple(value) if name in LISTS else value for name, value in row.items()
    }
    sentence = Sentence(document=document, key=key, **values)
    _check(sentence, where)
    return sentence


def _check(sentence: Sentence, where: str) -> None:
    """Reject fields that contradict one another."""
    if bool(sentence.correction) != bool(sentence.slip):
        lacking = "slip" if sentence.correction else "correction"
        raise UserError(
            f"{where}.{lacking}: is missing; a correction names claims and says what they correct"
        )
    if sentence.repeats and (sentence.claims or sentence.missing or sentence.definition):
        raise UserError(f"{where}.repeats: its readings are those of {sentence.repeats}; give none")
    if sentence.definition and (sentence.as_printed or sentence.correction):
        raise UserError(
            f"{where}.definition: is neither true nor false; list its claims as readings"
        )
    if not (sentence.repeats or sentence.definition or sentence.read_by or sentence.missing):
        raise UserError(f"{where}.readings: name a claim, or say in `missing` what is missing")
    if len(set(sentence.claims)) < len(sentence.claims):
        raise UserError(f"{where}.readings: a claim is listed twice")
