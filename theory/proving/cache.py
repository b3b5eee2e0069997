"""Disk cache of derivations; deleting it only costs time.

The key of an entry covers the code that the derivation depends on (its module and the modules of
`theory` that it imports, without comments and docstrings), the code of this package, and the
versions of SymPy and Python, so editing one claim keeps the entries of the others valid.  Entries
are JSON with a checksum; damaged ones are ignored, and their expressions are parsed, never
executed.  The values of the symbols are trusted as those of a fresh derivation are; that they prove
the relation is checked on every use.
"""

import inspect
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import sympy as sp

from bnproof.theory.common.checksum import checksum_matches, digest, parse, with_checksum
from bnproof.theory.common.code import code_hash, reached
from bnproof.theory.common.errors import UserError
from bnproof.theory.common.files import write_text
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import KINDS, DerivationResult, Step
from bnproof.theory.proving.expressions import dumps, loads

Prove = Callable[[], DerivationResult]

PACKAGE: Final = "bnproof.theory"
STARTED: Final = time.time()


def folder() -> Path | None:
    """Folder of the cache: ``$BNPROOF_CACHE``, or one below the user's cache folder.

    None, which disables the cache, if ``BNPROOF_CACHE`` is set but empty.
    """
    named = os.environ.get("BNPROOF_CACHE")
    if named is not None:
        return Path(named) if named else None
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "bnproof"


def recall(prove: Prove) -> DerivationResult | None:
    """Return the cached proof of `prove`, or None if there is no readable entry."""
    path = _path(prove)
    if path is None:
        return None
    try:
        content = parse(path.read_text(encoding="utf-8"))
        return from_json(content) if checksum_matches(content) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def keep(prove: Prove, proof: DerivationResult) -> None:
    """Store `proof` if it survives a round trip through JSON; write errors are ignored."""
    path = _path(prove)
    content = to_json(proof)
    try:
        if path is not None and from_json(content) == proof:
            write_text(path, json.dumps(with_checksum(content)))
    except (UserError, ValueError):
        return


def to_json(proof: DerivationResult) -> dict[str, Any]:
    """Return a proof as JSON data."""
    return {
        "steps": [vars(step) for step in proof.steps],
        "values": {dumps(symbol): dumps(value) for symbol, value in proof.values.items()},
        "slack": [term.to_json() for term in proof.slack],
        "rests_on": list(proof.rests_on),
    }


def from_json(content: Any) -> DerivationResult:
    """Read what `to_json` wrote.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError
        If `content` has another form.
    """
    steps = tuple(Step(**step) for step in content["steps"])
    if any(step.kind not in KINDS for step in steps):
        raise ValueError(f"a step is of none of the kinds {', '.join(KINDS)}")
    return DerivationResult(
        steps,
        {loads(symbol): loads(value) for symbol, value in content["values"].items()},
        tuple(map(Term.from_json, content["slack"])),
        tuple(content["rests_on"]),
    )


def _path(prove: Prove) -> Path | None:
    """File of the cached proof; None if `prove` is not a plain function or its code changed.

    A file edited since this process started may differ from the code that is loaded.
    """
    base = folder()
    if base is None or not inspect.isfunction(prove) or prove.__closure__:
        return None
    modules = prove.__module__, __name__
    try:
        files = reached(*modules, within=PACKAGE).values()
        if any(file.stat().st_mtime > STARTED for file in files):
            return None
        code = code_hash(*modules, within=PACKAGE)
    except (OSError, ValueError, SyntaxError, RecursionError):  # deleted, or being edited
        return None
    key = f"{code} {prove.__qualname__} {sp.__version__} {platform.python_version()}"
    return base / f"{prove.__module__}-{digest(key.encode())}.json"
