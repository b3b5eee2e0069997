"""Derivations kept on disk, so that SymPy works once; losing them costs time and nothing else.

An entry is keyed by the code that the derivation reaches (its module and the modules of `theory`
that this imports, comments and docstrings apart), by the code of this package, and by the versions
of SymPy and Python: an edit of one claim leaves the entries of the others as they are.  It is
sealed: one that is damaged is not used.  It is plain JSON whose expressions are read without being
executed.  What it says of the symbols is trusted as the derivation's own word is; that this proves
the relation is checked anew.
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
from bnproof.theory.proving.derivation import DerivationResult, Step
from bnproof.theory.proving.expressions import dumps, loads

Prove = Callable[[], DerivationResult]

PACKAGE: Final = "bnproof.theory"
STARTED: Final = time.time()


def folder() -> Path | None:
    """Where entries lie: ``$BNPROOF_CACHE``, or below the user's cache; None if that is empty."""
    named = os.environ.get("BNPROOF_CACHE")
    if named is not None:
        return Path(named) if named else None
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "bnproof"


def recall(prove: Prove) -> DerivationResult | None:
    """The proof kept for `prove`, or None if there is none that can be read."""
    path = _path(prove)
    if path is None:
        return None
    try:
        content = parse(path.read_text(encoding="utf-8"))
        return from_json(content) if checksum_matches(content) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def keep(prove: Prove, proof: DerivationResult) -> None:
    """Keep `proof` if it survives the way to text and back; a folder that refuses is no error."""
    path = _path(prove)
    content = to_json(proof)
    try:
        if path is not None and from_json(content) == proof:
            write_text(path, json.dumps(with_checksum(content)))
    except (UserError, ValueError):
        return


def to_json(proof: DerivationResult) -> dict[str, Any]:
    """A proof as strings and lists."""
    return {
        "steps": [vars(step) for step in proof.steps],
        "values": {dumps(symbol): dumps(value) for symbol, value in proof.values.items()},
        "slack": [{"term": dumps(term.expr), "because": term.reason} for term in proof.slack],
        "equality": proof.equality,
        "rests_on": list(proof.rests_on),
    }


def from_json(content: Any) -> DerivationResult:
    """Read what `to_json` wrote.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError
        If it is something else.
    """
    return DerivationResult(
        tuple(Step(**step) for step in content["steps"]),
        {loads(symbol): loads(value) for symbol, value in content["values"].items()},
        tuple(Term(loads(part["term"]), part["because"]) for part in content["slack"]),
        content["equality"],
        tuple(content["rests_on"]),
    )


def _path(prove: Prove) -> Path | None:
    """Where the proof of a function of a module lies; None for what has no such name of its own.

    None too if a file was edited since this process began: what is loaded may not be what the file
    says.
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
    except (OSError, ValueError, SyntaxError, RecursionError):  # removed, or half-edited
        return None
    key = f"{code} {prove.__qualname__} {sp.__version__} {platform.python_version()}"
    return base / f"{prove.__module__}-{digest(key.encode())}.json"
