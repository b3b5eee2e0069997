"""The evidence document: the records of one run with what is needed to repeat it."""

import datetime
import importlib.metadata
import json
import platform
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from bnproof.theory.claim import Settings
from bnproof.theory.common.checksum import SEAL, checksum_matches, parse, with_checksum
from bnproof.theory.common.errors import UserError
from bnproof.theory.common.files import write_text

SCHEMA: Final = 1
PACKAGES: Final = ("torch", "numpy", "scipy", "sympy", "mpmath")
NAME: Final = "evidence.json"
PICTURES: Final = "figures"  # the folder beside it
EXTRAS: Final = ("parquet", "weights")  # that read data


def document(
    records: Sequence[dict[str, Any]],
    settings: Settings,
    command: str,
    threads: int,
    layers: Sequence[dict[str, str]] = (),
    left: Sequence[str] = (),
) -> dict[str, Any]:
    """Join `records` with settings and environment.

    `layers` is the table of `bnproof.simulate.layer_checks.table`, where it was measured; the table
    of normalisers goes with it.  `left` names the claims that are not verified yet, where the
    verification was interrupted.
    """
    return {
        "schema": SCHEMA,
        "bnproof": importlib.metadata.version("bnproof"),
        "created": now(),
        "command": command,
        "environment": environment(settings.device, threads),
        "lock": lock(),
        "settings": {
            "scale": str(settings.scale),
            "seed": settings.seed,
            "memory": settings.memory,
            "kernel": settings.kernel,
            "data": "embedded" if settings.data is None else settings.data.resolve().name,
        },
        "claims": list(records),
        "normalizers": _normalizers() if layers else [],
        "layers": list(layers),
        **({"left": list(left)} if left else {}),
    }


def _normalizers() -> list[dict[str, str]]:
    from bnproof.theory.normalizers.table import NORMALIZERS, facts  # SymPy: reading needs none

    return [facts(kind) for kind in NORMALIZERS]


def environment(device: str, threads: int) -> dict[str, Any]:
    """What is installed here, and the machine that computes."""
    from bnproof.simulate.machine import features  # a list of claims loads nothing of simulate

    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
        "device": device,
        "platform": f"{platform.system()} {platform.machine()}",
        "threads": threads,
        **features(device),
    }


@cache
def lock() -> list[str]:
    """Everything installed that can have a part in a number, as ``name==version``, sorted.

    That is what bnproof requires, `EXTRAS` included, and what that requires in turn: nothing else
    that a person has installed.  ``pip install -c`` takes the lines as they are.
    """
    found: dict[str, str] = {}
    waiting: list[tuple[str, tuple[str, ...]]] = [("bnproof", EXTRAS)]
    while waiting:
        name, extras = waiting.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in found:
            continue
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform, or an extra that is not there
        found[key] = package.version
        waiting += [(one, ()) for one in _required(package.requires or [], extras)]
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def _required(lines: Sequence[str], extras: Sequence[str]) -> Iterator[str]:
    """Names in requirements; of those for an extra, only those of `extras`."""
    for line in lines:
        extra = re.search(r"""extra\s*==\s*["']([^"']+)""", line)
        name = re.match(r"[\w.-]+", line)
        if name and (extra is None or extra[1] in extras):
            yield name[0]


def now() -> str:
    """Date and time, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def save(content: dict[str, Any], path: Path) -> None:
    """Write an evidence document as JSON, with the hash of its content."""
    text = json.dumps(with_checksum(content), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def load(path: Path) -> dict[str, Any]:
    """Read an evidence document, without its hash.

    Raises
    ------
    UserError
        If it is missing, not JSON, of another schema, or was changed after it was written.
    """
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror}; run `bnproof verify` first"
        ) from None
    except ValueError:
        raise UserError(f"{path} is not JSON; run `bnproof verify` to write it anew") from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise UserError(f"{path} is no evidence document of schema {SCHEMA}; run `bnproof verify`")
    if not checksum_matches(content):
        raise UserError(f"{path}: was changed after it was written; run `bnproof verify` anew")
    del content[SEAL]
    return content
