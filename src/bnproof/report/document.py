"""The evidence document: the records of a run and everything needed to reproduce it."""

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
from bnproof.theory.common.commit import commit
from bnproof.theory.common.errors import UserError
from bnproof.theory.common.files import write_text
from bnproof.theory.ledger import book

SCHEMA: Final = 2
PACKAGES: Final = ("torch", "numpy", "scipy", "sympy", "mpmath")
NAME: Final = "evidence.json"
FIGURE_FOLDER: Final = "figures"  # in the same folder as the document
EXTRAS: Final = ("parquet", "weights")  # needed to read data


def document(
    records: Sequence[dict[str, Any]],
    settings: Settings,
    command: str,
    threads: int,
    layers: Sequence[dict[str, str]] = (),
    left: Sequence[str] = (),
) -> dict[str, Any]:
    """Combine `records` with settings and environment.

    `layers` is the table of `bnproof.simulate.layer_checks.table`, if it was measured; then the
    table of normalisers is included too.  `left` lists the claims that are still to be verified
    after an interruption.
    """
    return {
        "schema": SCHEMA,
        "bnproof": importlib.metadata.version("bnproof"),
        "commit": commit(),
        "url": project_url(),
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
        "sentences": listed(records),
        "claims": list(records),
        "normalizers": _normalizers() if layers else [],
        "layers": list(layers),
        **({"left": list(left)} if left else {}),
    }


def project_url() -> str:
    """The address of this project by its package, or empty if that names none."""
    urls = importlib.metadata.metadata("bnproof").get_all("Project-URL") or []
    named = dict(url.split(", ", 1) for url in urls)
    return next((named[name] for name in ("Repository", "Homepage") if name in named), "")


def listed(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The sentences that the claims of a run read or correct, each with its class.

    The class is that by the verdicts of the run; a claim that it lacks is undecided.  A run of all
    claims that read sentences also lists those that no claim reads yet.
    """
    verdicts = {record["id"]: record["verdict"] for record in records}
    claims = {one: set(book.original(one).claims) for one in book.sentences().values()}
    everything = verdicts.keys() >= set().union(*claims.values())
    return [
        book.described(sentence, verdicts)
        for sentence, read in claims.items()
        if verdicts.keys() & read or (everything and not read)
    ]


def _normalizers() -> list[dict[str, str]]:
    from bnproof.theory.normalizers.table import NORMALIZERS, facts  # imports SymPy

    return [facts(kind) for kind in NORMALIZERS]


def environment(device: str, threads: int) -> dict[str, Any]:
    """Return package versions and properties of this machine."""
    from bnproof.simulate.machine import features  # slow to import, and not needed to list claims

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
    """Return the installed packages that can affect results, as sorted lines ``name==version``.

    These are the requirements of bnproof and its `EXTRAS`, direct and indirect.  The lines can be
    used with ``pip install -c``.
    """
    versions: dict[str, str] = {}
    queue: list[tuple[str, tuple[str, ...]]] = [("bnproof", EXTRAS)]
    while queue:
        name, extras = queue.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in versions:
            continue
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # needed on other platforms only, or an extra that is not installed
        versions[key] = package.version
        queue += [(required, ()) for required in _required(package.requires or [], extras)]
    return [f"{name}=={version}" for name, version in sorted(versions.items())]


def _required(lines: Sequence[str], extras: Sequence[str]) -> Iterator[str]:
    """Yield package names from requirement lines, leaving out extras that are not in `extras`."""
    for line in lines:
        extra = re.search(r"""extra\s*==\s*["']([^"']+)""", line)
        name = re.match(r"[\w.-]+", line)
        if name and (extra is None or extra[1] in extras):
            yield name[0]


def now() -> str:
    """Return the current date and time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def save(content: dict[str, Any], path: Path) -> None:
    """Write an evidence document as JSON, with a checksum."""
    text = json.dumps(with_checksum(content), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def load(path: Path) -> dict[str, Any]:
    """Read an evidence document and verify its checksum, which is not returned.

    Raises
    ------
    UserError
        If the file is missing, not JSON, has another schema, or was modified.
    """
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror}; run `bnproof verify` first"
        ) from None
    except ValueError:
        raise UserError(f"{path}: is not JSON; run `bnproof verify` again") from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise UserError(f"{path}: is not evidence of schema {SCHEMA}; run `bnproof verify` again")
    if not checksum_matches(content):
        raise UserError(f"{path}: was changed after it was written; run `bnproof verify` again")
    del content[SEAL]
    return content
