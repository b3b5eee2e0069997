"""What several commands ask of their options."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bnproof.theory.common.errors import UserError

OUT: Final = Path("bnproof-runs")  # where runs are kept unless a command is told otherwise
LOCK: Final = ".lock"


def device(name: str) -> str:
    """Return the concrete device, ``cpu`` or ``cuda``, for ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    UserError
        If a GPU is asked for and there is none.
    """
    import torch

    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UserError("device cuda: PyTorch finds no GPU here; use cpu or auto")
    return "cuda" if there and name != "cpu" else "cpu"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder of a report, which exists, against other commands that write to it.

    Two at once would leave the page of one beside the evidence of the other.

    Raises
    ------
    UserError
        If another process holds it; its end, however it comes, lets it go.
    """
    from filelock import FileLock, Timeout

    from bnproof.report.document import PICTURES
    from bnproof.theory.common import files

    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"{folder}: another process writes to it; wait for it, or name another folder"
        ) from None
    except OSError as error:
        raise UserError(
            f"cannot write {folder / LOCK}: {error.strerror}; choose another folder"
        ) from None
    try:
        for part in (folder, folder / PICTURES):
            files.clear(part)
        yield
    finally:
        lock.release()


def threads() -> int:
    """Threads that PyTorch computes with."""
    import torch

    return torch.get_num_threads()


def command_line() -> str:
    """The command as it was typed."""
    return shlex.join(["bnproof", *sys.argv[1:]])
