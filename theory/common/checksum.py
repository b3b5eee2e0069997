"""JSON that tells whether it was changed: one spelling, the hash of it, and reading with limits."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

DIGITS: Final = 16  # of a hash in a name or a file
DEEPEST: Final = 64  # levels of lists and objects; what we write has about ten
SEAL: Final = "sha256"


def canonical(content: Any) -> str:
    """JSON in one spelling: sorted keys, no spaces, NaN refused."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(content: bytes) -> str:
    """The first `DIGITS` hexadecimal digits of SHA-256."""
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def parse(text: str) -> Any:
    """Read JSON, whoever wrote it.

    Raises
    ------
    ValueError
        If it is none, or nested more deeply than `DEEPEST` levels.
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
    """The content as JSON gives it back, and its hash."""
    plain = json.loads(json.dumps(content, allow_nan=False))
    return {**plain, SEAL: digest(canonical(plain).encode())}


def checksum_matches(content: Any) -> bool:
    """Whether `content` is what `with_checksum` gave; a checksum shows change, not who wrote it."""
    if not isinstance(content, dict):
        return False
    bare = {name: value for name, value in content.items() if name != SEAL}
    try:
        return bool(content.get(SEAL) == digest(canonical(bare).encode()))
    except ValueError:  # NaN, which JSON has not
        return False
