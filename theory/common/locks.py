"""Locks between processes: files that one process holds at a time."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bnproof.theory.common.errors import UserError
from bnproof.theory.common.files import WriteError


@contextmanager
def locked(path: Path, busy: str, fix: str = "", wait: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path`; it is released if the process ends.

    Parameters
    ----------
    busy
        What to say if another process holds it.
    fix
        What to do if waiting has not helped.
    wait
        Seconds to wait for the other process, which is reported on standard error; negative to
        wait without limit.

    Raises
    ------
    UserError
        If another process holds the lock, or it cannot be written.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if wait:
            print(f"{busy}; waiting for it", file=sys.stderr)
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            raise UserError(f"{busy}; {fix}") from None
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror}; choose another folder") from None
    try:
        yield
    finally:
        lock.release()
