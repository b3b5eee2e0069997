"""Data sets on this machine: the folder that holds them, and files that are downloaded into it.

A file appears in its place only when it is complete and its checksum is right; until then it is in
a subfolder, `WORK`.
"""

import hashlib
import logging
import os
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final

from bnproof.empirical.data.images import DataError
from bnproof.empirical.data.remote import VARIABLE, Receiver, RemoteFile, unwritable
from bnproof.theory.common.files import WriteError
from bnproof.theory.common.locks import locked

WORK: Final = ".download"


def data_folder() -> Path:
    """The folder of all data sets: ``$BNPROOF_DATA_DIR``, or one below the user's cache folder.

    The latter is ``pooch.os_cache("bnproof")`` on Linux and macOS; pooch need not be installed.

    Raises
    ------
    DataError
        If the user has no home folder.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    if sys.platform == "darwin":
        cache = "~/Library/Caches"
    try:
        return Path(os.environ.get(VARIABLE) or f"{cache}/bnproof").expanduser().absolute()
    except RuntimeError:
        raise DataError(f"no home folder was found; set {VARIABLE} to a folder for data") from None


def fetch(remote: RemoteFile, folder: Path) -> Path:
    """Return the path of a file in `folder`; download it if it is not there.

    If several processes ask for the same file, one of them downloads it.

    Raises
    ------
    DataError
        If the file cannot be downloaded, or has another size or checksum; the message says how to
        bring it by hand.
    WriteError
        If `folder` cannot be written.
    """
    target, work = folder / remote.name, folder / WORK
    if target.exists():
        _check(remote, target)
        return target
    retrieve = _pooch(remote, target)
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(work, error.strerror) from None
    with locked(work / "lock", f"{target}: another process is downloading it", wait=-1):
        if not target.exists():
            _download(remote, target, retrieve)
    return target


def _check(remote: RemoteFile, target: Path) -> None:
    """Check the size and the checksum of a file that the user may have put there."""
    try:
        status = target.stat()
        checksum = _sha256(target, status.st_mtime_ns) if status.st_size == remote.size else ""
    except OSError as error:
        raise DataError(f"{target}: cannot be read ({error.strerror}); delete it") from None
    if checksum != remote.sha256:
        differs = (
            "another checksum" if status.st_size == remote.size else f"{status.st_size:,} bytes"
        )
        raise DataError(
            f"{target}: has {differs}; expected {remote.size:,} bytes with SHA-256 "
            f"{remote.sha256}; delete it, so that it is downloaded again"
        )


@lru_cache(maxsize=8)
def _sha256(path: Path, changed: int) -> str:
    """Checksum of a file that was last changed at that time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pooch(remote: RemoteFile, target: Path) -> Callable[..., str]:
    """The function `pooch.retrieve`, without its messages: `Receiver` has its own."""
    try:
        from pooch import get_logger, retrieve
    except ImportError as error:
        raise DataError(
            f"{target}: not found; to download it, run: pip install 'bnproof[data]'; or "
            f"{remote.by_hand(target)}"
        ) from error
    get_logger().setLevel(logging.WARNING)
    return retrieve  # type: ignore[no-any-return]


def _download(remote: RemoteFile, target: Path, retrieve: Callable[..., str]) -> None:
    """Download a file, check it and move it to its place; the caller holds the lock."""
    work = target.parent / WORK
    try:
        for stray in work.glob("tmp*"):  # pooch's, of a process that was killed
            stray.unlink()
        path = retrieve(
            remote.url,
            known_hash=f"sha256:{remote.sha256}",
            fname=remote.name,
            path=work,
            downloader=Receiver(remote, work / f"{remote.name}.part", target),
        )
        Path(path).replace(target)
    except (DataError, WriteError):
        raise
    except ValueError:  # from pooch, which has removed the file
        raise DataError(
            f"{remote.name}: what was downloaded has another checksum and was removed; try again, "
            f"or {remote.by_hand(target)}"
        ) from None
    except OSError as error:
        raise unwritable(work, error.strerror) from None
