"""Files written whole or not at all."""

import os
import tempfile
from pathlib import Path
from typing import Final

from bnproof.theory.common.errors import UserError

HALF: Final = ".half"  # ends the name of a file that is being written


class WriteError(UserError):
    """A folder or a disk that refuses: what was to be kept there cannot be."""


def write_text(path: Path, content: str) -> None:
    """Write a file whole or not at all, in UTF-8; see `write_bytes`.

    What UTF-8 cannot hold, a byte of a file's name that is none, becomes an escape, as in JSON.
    """
    write_bytes(path, content.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all (temporary file beside it, then rename).

    Raises
    ------
    WriteError
        If the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(HALF, f".{path.name}.", path.parent)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror}; choose another folder") from None
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)  # or a power cut could leave the new name with no content
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror}; choose another folder") from None
    finally:
        temporary.unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Remove what processes that were killed left half-written; none may be at work there."""
    for stray in folder.glob(f".*{HALF}"):
        stray.unlink(missing_ok=True)


def probe(path: Path) -> None:
    """Fail now, not after the work, if `path` cannot be written; creates its folder.

    Raises
    ------
    UserError
        As `write_text`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror}; choose another folder") from None
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; name a file")
