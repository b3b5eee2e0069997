"""Compare the findings of two evidence documents, ignoring time and machine.

    python -m bnproof.report.compare OLD/evidence.json NEW/evidence.json [--rtol 0]

Prints one line per value that differs and exits with status 1 if there is any.  `RENAMED` lists
names that have changed between releases, so that older evidence can be compared as well.
"""

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

# Time, machine and duration of a run, as opposed to its findings.
IGNORED: Final = frozenset(
    {
        "bnproof",
        "command",
        "created",
        "environment",
        "lock",
        "seconds",
        "sha256",
    }
)
RENAMED: Final = {"letters": "symbols", "world": "sampler"}


def differences(old: Any, new: Any, *, rtol: float = 0.0, path: str = "") -> Iterator[str]:
    """Yield one line for each difference between two JSON values.

    Parameters
    ----------
    rtol
        Relative tolerance for floating-point numbers.
    path
        Path of the values, for the message.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        old, new = ({RENAMED.get(key, key): v for key, v in part.items()} for part in (old, new))
        for key in sorted((old.keys() | new.keys()) - IGNORED):
            if key not in old or key not in new:
                yield f"{path}/{key}: only in the {'new' if key in new else 'old'} document"
            else:
                yield from differences(old[key], new[key], rtol=rtol, path=f"{path}/{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, rtol=rtol, path=f"{path}/{_label(pair[0], number)}")
    elif not _equal(old, new, rtol):
        yield f"{path}: {_short(old)} became {_short(new)}"


def _label(entry: object, number: int) -> str:
    """Return the name of an entry if it has one, otherwise its position."""
    name = entry.get("id") or entry.get("kind") if isinstance(entry, dict) else None
    return str(name or number)


def _equal(old: object, new: object, rtol: float) -> bool:
    if rtol and isinstance(old, float) and isinstance(new, float):
        return math.isclose(old, new, rel_tol=rtol)
    return bool(old == new)


def _short(value: object, width: int = 80) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def main() -> int:
    """Compare the two documents given on the command line."""
    parser = argparse.ArgumentParser(description="Compare two evidence documents.")
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--rtol", type=float, default=0.0, help="relative tolerance")
    options = parser.parse_args()
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (options.old, options.new))
    lines = list(differences(old, new, rtol=options.rtol))
    print("\n".join(lines) or f"equal: {len(new['claims'])} claims")
    return 1 if lines else 0


if __name__ == "__main__":
    raise SystemExit(main())
