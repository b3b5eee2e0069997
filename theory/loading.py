"""Load the claims of a folder: one claim per file, named after its id.

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

# A claim to copy as a starting point; every installation has it.
TEMPLATE: Final = Path(claims.__path__[0]) / "TEMPLATE.py"


@dataclass(frozen=True)
class LoadError:
    """A claim file that could not be loaded, and the reason in one line."""

    id: str
    error: str


Load = Callable[[], Union["Claim", LoadError]]


def load_folder(package: ModuleType) -> "list[Claim | LoadError]":
    """Return the claims of `package`, sorted by id; a file that fails becomes a `LoadError`.

    All exceptions of a claim file are caught, so that one bad file does not hide the others.
    """
    return [load() for load in files_of(package).values()]


def files_of(package: ModuleType) -> dict[str, Load]:
    """Return a loader for each claim of `package`, sorted by id; importing happens on call."""
    return {
        name: partial(_load, name, partial(importlib.import_module, module))
        for name, (module, _) in modules_of(package).items()
    }


def modules_of(package: ModuleType) -> dict[str, tuple[str, Path]]:
    """Return module name and file of each claim of `package`, sorted by id."""
    modules = {}
    for path in Path(package.__path__[0]).glob("*/*.py"):
        if path.stem != "__init__":
            modules[path.stem] = (f"{package.__name__}.{path.parent.name}.{path.stem}", path)
    return dict(sorted(modules.items()))


def files_in(folder: Path) -> dict[str, Load]:
    """Return a loader for each claim of a folder anywhere on disk, sorted by id.

    Claim files are Python code and are executed: load only files that you trust.

    Raises
    ------
    UserError
        If the folder does not exist or holds no claim files.
    """
    if not folder.is_dir():
        raise UserError(f"no folder of claims at {folder}; name one that holds claim files (*.py)")
    files = sorted(path for path in folder.glob("*.py") if path.stem != "__init__")
    if not files:
        raise UserError(f"no claim files (*.py) in {folder}; start from a copy of {TEMPLATE}")
    return {path.stem: partial(_load, path.stem, partial(_run, path)) for path in files}


def _run(path: Path) -> ModuleType:
    """Import one file under a unique name, so that it cannot shadow another module."""
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
        from bnproof.theory.common.untouched import untouched

        with untouched():
            claim: Claim = run().CLAIM
    except (Exception, SystemExit) as error:
        reason = str(error).splitlines()[0] if str(error) else "no message"
        return LoadError(claim_id, f"{claim_id}.py does not load: {type(error).__name__}: {reason}")
    flaw = flaw_of(claim, claim_id)
    return claim if flaw is None else LoadError(claim_id, f"{claim_id}.py: {flaw}")


def flaw_of(claim: object, claim_id: str) -> str | None:
    """Return the first flaw of a claim, as ``"field: reason"``, or None."""
    import sympy as sp

    from bnproof.theory.claim import Claim
    from bnproof.theory.symbols import SYMBOLS

    if not isinstance(claim, Claim):
        return f"CLAIM must be a Claim, not {type(claim).__name__}"
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
            return f"{name}: {part!r} is not a SymPy relation; write sp.Eq(a, b) for a == b"
        unknown = sorted(map(str, part.free_symbols - SYMBOLS.keys()))
        if unknown:
            return f"{name}: unknown symbol {unknown[0]}; symbols come from bnproof.theory.symbols"
        if name != "domain" and not isinstance(part, sp.Eq | sp.LessThan):
            return f"{name}: {part} is neither an equation nor a weak inequality <="
    if claim.domain == sp.false:
        return "domain: is false in every case"
    return None
