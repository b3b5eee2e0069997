"""All claims: those of `bnproof.theory.claims` and those of `bnproof.empirical.experiments`, by id.

A claim's file is imported when the claim is asked for: SymPy and PyTorch take their time.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path

from bnproof.empirical import experiments as experiment_files
from bnproof.theory import claims as claim_files
from bnproof.theory.claim import Claim
from bnproof.theory.common.errors import UserError
from bnproof.theory.loading import Load, LoadError, files_in, files_of, modules_of


def catalogue(outside: Path | None = None) -> dict[str, Claim | LoadError]:
    """Return every claim, or the reason why its file does not load, sorted by id.

    `outside` is a folder of a person's own claims.

    Raises
    ------
    UserError
        If two files have the same name.
    """
    return {name: load() for name, load in _files(outside).items()}


def _files(outside: Path | None) -> dict[str, Load]:
    """How to load each claim, sorted by id."""
    table: dict[str, Load] = {}
    folders = [files_of(claim_files), files_of(experiment_files)]
    for folder in [*folders, files_in(outside)] if outside else folders:
        twice = min(table.keys() & folder.keys(), default=None)
        if twice is not None:
            raise UserError(
                f"{twice}.py: id: there is a claim of that name already; rename the file"
            )
        table |= folder
    return dict(sorted(table.items()))


def file_of(claim_id: str) -> Path | None:
    """The file of a claim of the catalogue; None for another."""
    found = _known().get(claim_id)
    return found[1].resolve() if found else None


def module_of(claim_id: str) -> str | None:
    """The module of a claim of the catalogue; None for another."""
    found = _known().get(claim_id)
    return found[0] if found else None


def _known() -> dict[str, tuple[str, Path]]:
    return modules_of(claim_files) | modules_of(experiment_files)


def select(ids: Sequence[str], outside: Path | None = None) -> list[Claim | LoadError]:
    """Return the claims named, in the order of the catalogue.

    For no name, all of them; or those of `outside`, where that is given.

    Raises
    ------
    UserError
        If a name is unknown; the message suggests the nearest ones.
    """
    table = _files(outside)
    if outside and not ids:
        ids = list(files_in(outside))
    for name in ids:
        if name not in table:
            raise UserError(f"unknown claim {name!r}; {_suggest(name, list(table))}")
    return [load() for name, load in table.items() if not ids or name in ids]


def one(claim_id: str, outside: Path | None = None) -> Claim:
    """Return one claim.

    Raises
    ------
    UserError
        If it is unknown or its file does not load.
    """
    (entry,) = select([claim_id], outside)
    if isinstance(entry, LoadError):
        raise UserError(entry.error)
    return entry


def experiments() -> list[Claim]:
    """Every claim that has an experiment."""
    from bnproof.empirical.experiment import Experiment

    whole = [entry for entry in catalogue().values() if isinstance(entry, Claim)]
    return [claim for claim in whole if claim.check_of(Experiment)]


def experiment(claim_id: str) -> Claim:
    """Return one claim that has an experiment.

    Raises
    ------
    UserError
        If it is unknown, does not load, or has none.
    """
    from bnproof.empirical.experiment import Experiment

    claim = one(claim_id)
    if not claim.check_of(Experiment):
        raise UserError(
            f"{claim_id}: has no experiment; `bnproof experiment list` names those that do"
        )
    return claim


def _suggest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    if near:
        return f"did you mean {', '.join(near)}?"
    return "`bnproof claims` lists the known ones"
