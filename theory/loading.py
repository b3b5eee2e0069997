"""Load the claims of a folder: one file, one claim, the file's name its id.

SymPy is imported with the first claim, not before.
"""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, Union

from bnproof.theory import claims
from bnproof.theory.common.errors import UserError
from bnproof.theory.sources import Source

if TYPE_CHECKING:
    from bnproof.theory.claim import Claim

# A claim to start one of your own from; every installation has it.
EXAMPLE: Final = Path(claims.__path__[0]) / "gradient" / "bn_jacobian.py"


@dataclass(frozen=True)
class LoadError:
    """A claim file that could not be loaded, and why (one line)."""

    id: str
    error: str


Load = Callable[[], Union["Claim", LoadError]]


def load_folder(package: ModuleType) -> "list[Claim | LoadError]":
    """Return the claims of `package`, sorted by id; a file that fails becomes a `LoadError`.

    Whatever a claim file raises is caught: one bad file must not hide the others.
    """
    return [load() for load in files_of(package).values()]


def files_of(package: ModuleType) -> dict[str, Load]:
    """How to load each claim of `package`, by id, in order; nothing is imported before."""
    return {
        name: partial(_load, name, partial(importlib.import_module, module))
        for name, (module, _) in modules_of(package).items()
    }


def modules_of(package: ModuleType) -> dict[str, tuple[str, Path]]:
    """Module and file of each claim of `package`, by id, in order: one folder a subject."""
    found = {}
    for path in Path(package.__path__[0]).glob("*/*.py"):
        if path.stem != "__init__":
            found[path.stem] = (f"{package.__name__}.{path.parent.name}.{path.stem}", path)
    return dict(sorted(found.items()))


def files_in(folder: Path) -> dict[str, Load]:
    """How to load each claim of a folder anywhere on disk, by id, in order.

    A claim file is code and is run as such: load only what you would run.

    Raises
    ------
    UserError
        If there is no such folder or no file of claims in it.
    """
    if not folder.is_dir():
        raise UserError(f"no folder of claims at {folder}; name one that holds claim files (*.py)")
    files = sorted(path for path in folder.glob("*.py") if path.stem != "__init__")
    if not files:
        raise UserError(f"no claim files (*.py) in {folder}; start from a copy of {EXAMPLE}")
    return {path.stem: partial(_load, path.stem, partial(_run, path)) for path in files}


def _run(path: Path) -> ModuleType:
    """Import one file under a name of its own, so that it can hide no other module."""
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(f"claims_{digest}.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses and inspect look for it
    spec.loader.exec_module(module)
    return module


def _load(claim_id: str, run: Callable[[], ModuleType]) -> "Claim | LoadError":
    try:
        claim: Claim = run().CLAIM
    except (Exception, SystemExit) as error:
        reason = str(error).splitlines()[0] if str(error) else "no message"
        return LoadError(claim_id, f"{claim_id}.py does not load: {type(error).__name__}: {reason}")
    flaw = flaw_of(claim, claim_id)
    return claim if flaw is None else LoadError(claim_id, f"{claim_id}.py: {flaw}")


def flaw_of(claim: object, claim_id: str) -> str | None:
    """What is wrong with a claim, field first; None if nothing is seen."""
    import sympy as sp

    from bnproof.theory.claim import Claim
    from bnproof.theory.symbols import SYMBOLS

    if not isinstance(claim, Claim):
        return f"CLAIM is a {type(claim).__name__}, not a Claim"
    if claim.id != claim_id:
        return f"id: {claim.id!r} must be the file's name"
    for name in ("title", "statement", "remark"):
        if not isinstance(getattr(claim, name), str):
            return f"{name}: must be a string"
    for name in ("sources", "checks"):
        if not isinstance(getattr(claim, name), tuple):
            return f"{name}: must be a tuple; one entry needs a comma after it"
    if not all(isinstance(source, Source) for source in claim.sources):
        return "sources: each must be a bnproof.theory.sources.Source"
    for name in ("relation", "control", "domain"):
        part: object = getattr(claim, name)
        if part is None:
            continue
        if not isinstance(part, sp.Basic):
            return f"{name}: {part!r} is no SymPy relation; write sp.Eq(a, b) for a == b"
        unknown = sorted(map(str, part.free_symbols - SYMBOLS.keys()))
        if unknown:
            return f"{name}: unknown symbol {unknown[0]}; symbols come from bnproof.theory.symbols"
        if name != "domain" and not isinstance(part, sp.Eq | sp.LessThan):
            return f"{name}: {part} is neither an equation nor a weak inequality <="
    if claim.domain == sp.false:
        return "domain: excludes every case"
    return None
