"""All claims: those of `bnproof.theory.claims` and those of `bnproof.empirical.experiments`, by id.

A list is read from the files as they lie there. A claim's file is imported when the claim itself is
asked for: SymPy and PyTorch take their time.
"""

import difflib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bnproof.empirical import experiments as experiment_files
from bnproof.theory import claims as claim_files
from bnproof.theory.common.errors import UserError
from bnproof.theory.listing import Entry, read
from bnproof.theory.loading import Load, LoadError, files_in, files_of, modules_of

if TYPE_CHECKING:
    from bnproof.theory.claim import Claim


def catalogue(outside: Path | None = None) -> "dict[str, Claim | LoadError]":
    """Return every claim, or the reason why its file does not load, sorted by id.

    `outside` is a folder of a person's own claims.

    Raises
    ------
    UserError
        If two files have the same name.
    """
    return {name: load() for name, load in _files(outside).items()}


def entries(outside: Path | None = None) -> dict[str, Entry | LoadError]:
    """What a list says of every claim, sorted by id.

    A file of the catalogue is imported only where reading it does not tell; those of `outside`, a
    folder of a person's own claims, always are, so that one that does not load is seen.

    Raises
    ------
    UserError
        If two files have the same name.
    """
    known = _known()
    return {name: _entry(load, known.get(name)) for name, load in _files(outside).items()}


def entry(claim_id: str, outside: Path | None = None) -> Entry:
    """What a list says of one claim.

    Raises
    ------
    UserError
        If it is unknown or its file does not load.
    """
    table = _files(outside)
    _check_known([claim_id], table)
    return _whole(_entry(table[claim_id], _known().get(claim_id)))


def experiment_entries() -> list[Entry]:
    """What a list says of every experiment, sorted by id.

    Raises
    ------
    UserError
        If a file does not load.
    """
    loads = files_of(experiment_files)
    paths = modules_of(experiment_files)
    return [_whole(_entry(loads[name], path)) for name, (_, path) in paths.items()]


def _entry(load: Load, path: Path | None) -> Entry | LoadError:
    found = None if path is None else read(path)
    if found is not None:
        return found
    claim = load()
    return claim if isinstance(claim, LoadError) else Entry.of(claim)


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
    path = _known().get(claim_id)
    return None if path is None else path.resolve()


def _known() -> dict[str, Path]:
    """The files of the catalogue by id."""
    modules = modules_of(claim_files) | modules_of(experiment_files)
    return {name: path for name, (_, path) in modules.items()}


def select(ids: Sequence[str], outside: Path | None = None) -> "list[Claim | LoadError]":
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
    _check_known(ids, table)
    return [load() for name, load in table.items() if not ids or name in ids]


def one(claim_id: str, outside: Path | None = None) -> "Claim":
    """Return one claim.

    Raises
    ------
    UserError
        If it is unknown or its file does not load.
    """
    (found,) = select([claim_id], outside)
    if isinstance(found, LoadError):
        raise UserError(found.error)
    return found


def experiments() -> "list[Claim]":
    """Every claim that has an experiment, sorted by id."""
    return [one(name) for name in modules_of(experiment_files)]


def experiment(claim_id: str) -> "Claim":
    """Return one claim that has an experiment.

    Raises
    ------
    UserError
        If it is unknown, does not load, or has none.
    """
    known = modules_of(experiment_files)
    if claim_id not in known and claim_id in modules_of(claim_files):
        raise UserError(
            f"{claim_id}: has no experiment; `bnproof experiment list` names those that do"
        )
    _check_known([claim_id], known, "experiment", "bnproof experiment list")
    return one(claim_id)


def _whole(found: Entry | LoadError) -> Entry:
    if isinstance(found, LoadError):
        raise UserError(found.error)
    return found


def _check_known(
    ids: Sequence[str], known: Collection[str], kind: str = "claim", command: str = "bnproof claims"
) -> None:
    """Refuse a name that is not `known`, and suggest the nearest, or the command that lists them.

    Raises
    ------
    UserError
        Naming the first such name.
    """
    for name in ids:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
            hint = f"did you mean {', '.join(near)}?" if near else f"`{command}` lists them all"
            raise UserError(f"unknown {kind} {name!r}; {hint}")
