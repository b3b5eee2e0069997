"""All claims: those of `theory.claims` and those of `empirical.experiments`, by id."""

import difflib
from collections.abc import Sequence

import empirical.experiments
import theory.claims
from theory.catalogue import Broken, load_folder
from theory.claim import Claim
from theory.errors import UserError


def catalogue() -> dict[str, Claim | Broken]:
    """Return every claim, or the reason why its file does not load, sorted by id.

    Raises
    ------
    UserError
        If two files have the same name.
    """
    entries = [*load_folder(theory.claims), *load_folder(empirical.experiments)]
    table = {entry.id: entry for entry in sorted(entries, key=lambda entry: entry.id)}
    if len(table) < len(entries):
        raise UserError("two claim files have the same name: an id must be unique")
    return table


def select(ids: Sequence[str]) -> list[Claim | Broken]:
    """Return the claims named, in the order of the catalogue; all of them for no name.

    Raises
    ------
    UserError
        If a name is unknown; the message suggests the nearest ones.
    """
    table = catalogue()
    for name in ids:
        if name not in table:
            raise UserError(f"unknown claim {name!r}; {_suggest(name, list(table))}")
    return [entry for name, entry in table.items() if not ids or name in ids]


def one(claim_id: str) -> Claim:
    """Return one claim.

    Raises
    ------
    UserError
        If it is unknown or its file does not load.
    """
    (entry,) = select([claim_id])
    if isinstance(entry, Broken):
        raise UserError(entry.error)
    return entry


def _suggest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    if near:
        return f"did you mean {', '.join(near)}?"
    return "`bnproof claims` lists the known ones"
