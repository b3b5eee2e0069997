"""What several commands ask of their options."""

import importlib.util
import math
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from cyclopts import Token, convert

from bnproof.theory.common.errors import UserError

OUT: Final = Path("bnproof-runs")  # where runs are kept unless a command is told otherwise
LOCK: Final = ".lock"
EXACT: Final = 2**53  # below it a float has its integers


def convert_exactly(hint: Any, tokens: Sequence[Token]) -> Any:
    """Convert what was typed to an option's type, as cyclopts does, but round no integer.

    Raises
    ------
    UserError
        If an integer is given with a fraction.
    """
    choices = _integers(hint)
    for token in tokens if choices is not None else ():
        _refuse_fraction(token.value, choices or ())
    return convert(hint, tokens)


def _integers(hint: Any) -> tuple[int, ...] | None:
    """The integers that a type allows, empty if any; None for a type of other values."""
    if get_origin(hint) is Literal:
        return get_args(hint) if type(get_args(hint)[0]) is int else None
    if hint is int:
        return ()
    parts = map(_integers, get_args(hint))
    return next((part for part in parts if part is not None), None)


def _refuse_fraction(text: str, choices: Sequence[int]) -> None:
    """Refuse a number with a point, unless only zeros follow it; cyclopts refuses other text."""
    if "." not in text or re.fullmatch(r"[+-]?\d+\.0*", text):
        return
    try:
        number = float(text)
    except ValueError:
        return
    if not choices and abs(number) < EXACT:
        choices = sorted({math.floor(number), math.ceil(number)})
    allowed = " or ".join(map(str, choices)) if choices else "it in digits"
    raise UserError(f"{text} is not an integer; give {allowed}")


def require(package: str, *, extra: str) -> None:
    """Refuse before the work what an optional package is needed for after it.

    Raises
    ------
    UserError
        If the package is not installed; `extra` of bnproof brings it.
    """
    if importlib.util.find_spec(package) is None:
        raise UserError(f"{package} is not installed; run `pip install 'bnproof[{extra}]'`")


LEFT: Final = 3  # exit status where work is left that the same command goes on with


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
