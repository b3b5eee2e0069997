"""JSON with a checksum: canonical form, its hash, and parsing with limits."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

DIGITS: Final = 16  # of a hash in a name or a file
DEEPEST: Final = 64  # levels of lists and objects; files written here have about ten
SEAL: Final = "sha256"


def canonical(content: Any) -> str:
    """Canonical JSON: sorted keys, no spaces; ValueError for NaN."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(content: bytes) -> str:
    """The first `DIGITS` hexadecimal digits of SHA-256."""
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def parse(text: str) -> Any:
    """Parse untrusted JSON.

    Raises
    ------
    ValueError
        If it is not JSON, or nested more than `DEEPEST` levels deep.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    level = [value]
    for _ in range(DEEPEST + 1):
        inner = [entry for entry in level if isinstance(entry, dict | list)]
        if not inner:
            return value
        level = [
            item
            for entry in inner
            for item in (entry.values() if isinstance(entry, dict) else entry)
        ]
    raise ValueError("nested too deeply")


def with_checksum(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content, as read back from JSON, with its hash added."""
    plain = json.loads(json.dumps(content, allow_nan=False))
    return {**plain, SEAL: digest(canonical(plain).encode())}


def checksum_matches(content: Any) -> bool:
    """Whether `content` matches its checksum.

    A checksum detects accidental changes; it does not authenticate the author.
    """
    if not isinstance(content, dict):
        return False
    bare = {name: value for name, value in content.items() if name != SEAL}
    try:
        return bool(content.get(SEAL) == digest(canonical(bare).encode()))
    except ValueError:  # NaN, which is not JSON
        return False
