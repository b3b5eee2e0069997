"""Who showed a claim first and what is new here, read from ``credit.toml``."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from bnproof.theory.common.errors import UserError
from bnproof.theory.ledger import book
from bnproof.theory.sources import DOCUMENTS

FILE: Final = Path(__file__).with_name("credit.toml")
FIELDS: Final = ("claims", "first", "new")
NONE_KNOWN: Final = "nobody that we know of"


@dataclass(frozen=True)
class Credit:
    """The credit of one claim.

    Attributes
    ----------
    printed
        Who printed the sentence that it reads, or corrects; empty if there is none.
    first
        Who proved, refuted or measured it first; empty if nothing is known.
    new
        What is new here.
    """

    printed: str
    first: str
    new: str

    def lines(self) -> list[tuple[str, str]]:
        """Label and text of each part, for a reader."""
        parts = [("printed by", self.printed), ("first", self.first or NONE_KNOWN)]
        return [(label, text) for label, text in [*parts, ("new here", self.new)] if text]


@cache
def table(path: Path = FILE) -> dict[str, tuple[str, str]]:
    """First and new of each claim.

    Raises
    ------
    UserError
        One line that names file and field.
    """
    found: dict[str, tuple[str, str]] = {}
    for number, group in enumerate(_groups(path), start=1):
        where = f"{path.name}: group {number}"
        if not isinstance(group, dict) or set(group) != set(FIELDS):
            raise UserError(f"{where}: must have the fields {', '.join(FIELDS)}")
        claims, first, new = (group[name] for name in FIELDS)
        if not isinstance(claims, list) or not all(
            isinstance(part, str) for part in (*claims, first, new)
        ):
            raise UserError(f"{where}: claims must be a list of ids, first and new must be text")
        for name in claims:
            if name in found:
                raise UserError(f"{where}.claims: {name} is in another group too")
            found[name] = (first, new)
    return found


def _groups(path: Path) -> list[Any]:
    try:
        return list(tomllib.loads(path.read_text(encoding="utf-8"))["credit"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path.name}: is not a list of [[credit]]: {error}") from None


def credit_of(claim_id: str) -> Credit | None:
    """The credit of a claim; None for a claim that the file does not list."""
    if claim_id not in table():
        return None
    read = book.read_by(claim_id)
    sentences = [read, *book.repeated(read)] if read else book.corrected_by(claim_id)
    authors = dict.fromkeys(
        f"{DOCUMENTS[one.document].authors} ({one.document})" for one in sentences
    )
    return Credit("; ".join(authors), *table()[claim_id])
