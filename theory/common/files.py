"""Atomic file writes: a file appears complete or not at all."""

import os
import tempfile
from pathlib import Path
from typing import Final

from bnproof.theory.common.errors import UserError

HALF: Final = ".half"  # suffix of temporary files


class WriteError(UserError):
    """A file cannot be written."""


def _cause(folder: Path, error: OSError) -> str:
    """Why files cannot be written to a folder, and what to do."""
    for path in (folder, *folder.parents):
        if path.is_symlink() and not path.exists():
            target = path.readlink()
            return f"{path} is a link to {target}, which does not exist; choose another folder"
        if path.exists() and not path.is_dir():
            return f"{path} is a file; choose a folder"
    return f"{error.strerror}; choose another folder"


def write_text(path: Path, content: str) -> None:
    """Write a UTF-8 text file atomically; see `write_bytes`.

    Surrogates, which come from undecodable file names, are escaped as in JSON.
    """
    write_bytes(path, content.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: to a temporary file beside it, then rename.

    Raises
    ------
    WriteError
        If the folder is not writable.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(HALF, f".{path.name}.", path.parent)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {_cause(path.parent, error)}") from None
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)  # otherwise a power cut could leave an empty file
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {_cause(path.parent, error)}") from None
    finally:
        temporary.unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Remove temporary files of killed processes; no other process may be writing there."""
    for stray in folder.glob(f".*{HALF}"):
        stray.unlink(missing_ok=True)


def probe(path: Path) -> None:
    """Check that `path` can be written, before the work starts; creates its folder.

    Raises
    ------
    UserError
        If it cannot be written or is a folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise WriteError(f"cannot write {path}: {_cause(path.parent, error)}") from None
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; name a file")
