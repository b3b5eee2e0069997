"""All claims of `bnproof.theory.claims` and `bnproof.empirical.experiments`, by id.

Listings are read from the source files. A claim's module is imported only when the claim itself is
needed, because importing SymPy and PyTorch is slow.
"""

import difflib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bnproof.empirical import experiments as experiment_files
from bnproof.theory import claims as claim_files
from bnproof.theory.common.errors import UserError
from bnproof.theory.listing import Entry, read
from bnproof.theory.loading import Load, LoadError, files_in, files_of, modules_of

if TYPE_CHECKING:
    from bnproof.theory.claim import Claim

T = TypeVar("T")


def catalogue(user_claims: Path | None = None) -> "dict[str, Claim | LoadError]":
    """Return all claims, sorted by id; one that cannot be loaded is a `LoadError`.

    `user_claims` is a folder of user-defined claims.

    Raises
    ------
    UserError
        If two files have the same name.
    """
    return {name: load() for name, load in _files(user_claims).items()}


def entries(user_claims: Path | None = None) -> dict[str, Entry | LoadError]:
    """Return the listing of all claims, sorted by id.

    A file of the catalogue is imported only if its listing cannot be read from its source.  Files
    of `user_claims`, a folder of user-defined claims, are always imported, so that load errors
    show.

    Raises
    ------
    UserError
        If two files have the same name.
    """
    files = {name: path for name, (_, path) in _known().items()}
    return {name: _entry(load, files.get(name)) for name, load in _files(user_claims).items()}


def expected() -> dict[str, str]:
    """Return the expected verdict of every claim of the catalogue that can be read."""
    return {
        name: listed.expected for name, listed in entries().items() if isinstance(listed, Entry)
    }


def entry(claim_id: str, user_claims: Path | None = None) -> Entry:
    """Return the listing of one claim.

    Raises
    ------
    UserError
        If the claim is unknown or cannot be loaded.
    """
    table = _files(user_claims)
    _check_known([claim_id], table)
    return _loaded(_entry(table[claim_id], file_of(claim_id)))


def experiment_entries() -> list[Entry]:
    """Return the listing of all experiments, sorted by id.

    Raises
    ------
    UserError
        If a file cannot be loaded.
    """
    loads = files_of(experiment_files)
    paths = modules_of(experiment_files)
    return [_loaded(_entry(loads[name], path)) for name, (_, path) in paths.items()]


def _entry(load: Load, path: Path | None) -> Entry | LoadError:
    listed = None if path is None else read(path)
    if listed is not None:
        return listed
    claim = load()
    return claim if isinstance(claim, LoadError) else Entry.of(claim)


def _files(user_claims: Path | None) -> dict[str, Load]:
    """Return a loader for each claim, sorted by id."""
    table: dict[str, Load] = {}
    folders = [files_of(claim_files), files_of(experiment_files)]
    for folder in [*folders, files_in(user_claims)] if user_claims else folders:
        repeated = min(table.keys() & folder.keys(), default=None)
        if repeated is not None:
            raise UserError(f"{repeated}.py: another claim has this id; rename the file")
        table |= folder
    return dict(sorted(table.items()))


def file_of(claim_id: str) -> Path | None:
    """Return the source file of a claim; None if it is not in the catalogue."""
    known = _known().get(claim_id)
    return known[1].resolve() if known else None


def module_of(claim_id: str) -> str | None:
    """Return the module name of a claim; None if it is not in the catalogue."""
    known = _known().get(claim_id)
    return known[0] if known else None


def _known() -> dict[str, tuple[str, Path]]:
    """Return module name and file of each claim of the catalogue, by id."""
    return modules_of(claim_files) | modules_of(experiment_files)


def select(ids: Sequence[str], user_claims: Path | None = None) -> "list[Claim | LoadError]":
    """Return the claims with the given ids, in the order of the catalogue.

    Without ids, all claims are returned; if `user_claims` is given, only those of that folder.

    Raises
    ------
    UserError
        If an id is unknown; the message suggests the closest matches.
    """
    table = _files(user_claims)
    if user_claims and not ids:
        ids = list(files_in(user_claims))
    _check_known(ids, table)
    return [load() for name, load in table.items() if not ids or name in ids]


def load_claim(claim_id: str, user_claims: Path | None = None) -> "Claim":
    """Return one claim.

    Raises
    ------
    UserError
        If the claim is unknown or cannot be loaded.
    """
    (claim,) = select([claim_id], user_claims)
    return _loaded(claim)


def experiments() -> "list[Claim]":
    """Return all claims that have an experiment, sorted by id."""
    return [load_claim(name) for name in modules_of(experiment_files)]


def experiment(claim_id: str) -> "Claim":
    """Return one claim that has an experiment.

    Raises
    ------
    UserError
        If the claim is unknown, cannot be loaded, or has no experiment.
    """
    known = modules_of(experiment_files)
    if claim_id not in known and claim_id in modules_of(claim_files):
        raise UserError(
            f"{claim_id}: has no experiment; `bnproof experiment list` lists the claims that do"
        )
    _check_known([claim_id], known, "experiment", "bnproof experiment list")
    return load_claim(claim_id)


def _loaded(item: T | LoadError) -> T:
    if isinstance(item, LoadError):
        raise UserError(item.error)
    return item


def _check_known(
    ids: Sequence[str], known: Collection[str], kind: str = "claim", command: str = "bnproof claims"
) -> None:
    """Check that all ids are known.

    Raises
    ------
    UserError
        For the first unknown id; suggests the closest matches or the command that lists all.
    """
    for name in ids:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
            hint = f"did you mean {', '.join(near)}?" if near else f"`{command}` lists them all"
            raise UserError(f"unknown {kind} {name!r}; {hint}")
