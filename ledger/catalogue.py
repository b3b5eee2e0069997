"""All claims: those of `theory.claims` and those of `empirical.experiments`, by id."""

import difflib
from collections.abc import Sequence
from pathlib import Path

import empirical.experiments
import theory.claims
from empirical.experiment import Experiment
from theory.catalogue import Broken, load_folder, load_path
from theory.claim import Claim
from theory.errors import UserError


def catalogue(outside: Path | None = None) -> dict[str, Claim | Broken]:
    """Return every claim, or the reason why its file does not load, sorted by id.

    `outside` is a folder of a person's own claims.

    Raises
    ------
    UserError
        If two files have the same name.
    """
    entries = [
        *load_folder(theory.claims),
        *load_folder(empirical.experiments),
        *(load_path(outside) if outside else []),
    ]
    table = {entry.id: entry for entry in sorted(entries, key=lambda entry: entry.id)}
    if len(table) < len(entries):
        ids = [entry.id for entry in entries]
        twice = next(name for name in ids if ids.count(name) > 1)
        raise UserError(f"{twice}.py: id: there is a claim of that name already; rename the file")
    return table


def select(ids: Sequence[str], outside: Path | None = None) -> list[Claim | Broken]:
    """Return the claims named, in the order of the catalogue.

    For no name, all of them; or those of `outside`, where that is given.

    Raises
    ------
    UserError
        If a name is unknown; the message suggests the nearest ones.
    """
    table = catalogue(outside)
    if outside and not ids:
        ids = [entry.id for entry in load_path(outside)]
    for name in ids:
        if name not in table:
            raise UserError(f"unknown claim {name!r}; {_suggest(name, list(table))}")
    return [entry for name, entry in table.items() if not ids or name in ids]


def one(claim_id: str, outside: Path | None = None) -> Claim:
    """Return one claim.

    Raises
    ------
    UserError
        If it is unknown or its file does not load.
    """
    (entry,) = select([claim_id], outside)
    if isinstance(entry, Broken):
        raise UserError(entry.error)
    return entry


def experiments() -> list[Claim]:
    """Every claim that has an experiment."""
    whole = [entry for entry in catalogue().values() if isinstance(entry, Claim)]
    return [claim for claim in whole if claim.means_of(Experiment)]


def experiment(claim_id: str) -> Claim:
    """Return one claim that has an experiment.

    Raises
    ------
    UserError
        If it is unknown, does not load, or has none.
    """
    claim = one(claim_id)
    if not claim.means_of(Experiment):
        raise UserError(
            f"{claim_id}: has no experiment; `bnproof experiment list` names those that do"
        )
    return claim


def _suggest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    if near:
        return f"did you mean {', '.join(near)}?"
    return "`bnproof claims` lists the known ones"
