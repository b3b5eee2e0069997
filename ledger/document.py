"""The evidence document: the records of one run with what is needed to repeat it."""

import datetime
import importlib.metadata
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from theory import normalizers
from theory.claim import Settings
from theory.errors import UserError
from theory.files import write_text

SCHEMA: Final = 1
PACKAGES: Final = ("torch", "numpy", "scipy", "sympy", "mpmath")
NAME: Final = "evidence.json"


def document(
    records: Sequence[dict[str, Any]],
    settings: Settings,
    command: str,
    threads: int,
    layers: Sequence[dict[str, str]] = (),
) -> dict[str, Any]:
    """Join `records` with settings and environment.

    `layers` is the table of `simulate.layer_checks.table`, where it was measured.
    """
    return {
        "schema": SCHEMA,
        "bnproof": importlib.metadata.version("bnproof"),
        "created": now(),
        "command": command,
        "environment": environment(settings.device, threads),
        "settings": {
            "scale": str(settings.scale),
            "seed": settings.seed,
            "memory": settings.memory,
            "data": "embedded" if settings.data is None else settings.data.name,
        },
        "claims": list(records),
        "normalizers": [normalizers.facts(kind) for kind in normalizers.NORMALIZERS],
        "layers": list(layers),
    }


def environment(device: str, threads: int) -> dict[str, Any]:
    """What is installed here and what computes."""
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
        "device": device,
        "platform": f"{platform.system()} {platform.machine()}",
        "threads": threads,
    }


def now() -> str:
    """Date and time, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def save(content: dict[str, Any], path: Path) -> None:
    """Write an evidence document as JSON."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def load(path: Path) -> dict[str, Any]:
    """Read an evidence document.

    Raises
    ------
    UserError
        If it is missing, not JSON, or of another schema.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror}; run `bnproof verify` first"
        ) from None
    except ValueError:
        raise UserError(f"{path} is not JSON; run `bnproof verify` to write it anew") from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise UserError(f"{path} is no evidence document of schema {SCHEMA}; run `bnproof verify`")
    return content
