"""Helpers shared by several commands."""

import importlib.util
import json
import math
import re
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from cyclopts import Token, convert

from bnproof.theory.common.errors import UserError

FIGURES: Final = (".svg", ".png", ".pdf")  # suffixes
OUT: Final = Path("bnproof-runs")  # default folder of runs
LOCK: Final = ".lock"
EXACT: Final = 2**53  # integers below this are exact in float64


def convert_exactly(hint: Any, tokens: Sequence[Token]) -> Any:
    """Convert arguments to an option's type like cyclopts, but without rounding to integers.

    Raises
    ------
    UserError
        If an integer option is given a number with a fractional part.
    """
    choices = _integers(hint)
    for token in tokens if choices is not None else ():
        _refuse_fraction(token.value, choices or ())
    return convert(hint, tokens)


def _integers(hint: Any) -> tuple[int, ...] | None:
    """Return the integers that a type allows (empty for all); None if it is not an integer type."""
    if get_origin(hint) is Literal:
        return get_args(hint) if type(get_args(hint)[0]) is int else None
    if hint is int:
        return ()
    parts = map(_integers, get_args(hint))
    return next((part for part in parts if part is not None), None)


def _refuse_fraction(text: str, choices: Sequence[int]) -> None:
    """Reject a number with a fractional part; other invalid text is left to cyclopts."""
    if "." not in text or re.fullmatch(r"[+-]?\d+\.0*", text):
        return
    try:
        number = float(text)
    except ValueError:
        return
    if not choices and abs(number) < EXACT:
        choices = sorted({math.floor(number), math.ceil(number)})
    allowed = " or ".join(map(str, choices)) if choices else "all digits"
    raise UserError(f"{text} is not an integer; give {allowed}")


def require(package: str, *, extra: str) -> None:
    """Check that an optional package is installed, before work that needs it only at the end.

    Raises
    ------
    UserError
        If the package is not installed; the message names the `extra` that includes it.
    """
    if importlib.util.find_spec(package) is None:
        raise UserError(f"{package} is not installed; run `pip install 'bnproof[{extra}]'`")


def refuse_to_publish(publish: bool) -> None:
    """Refuse to publish into an installed package, which is not the repository.

    Raises
    ------
    UserError
        If it was asked for and this is no checkout.
    """
    from bnproof.results.record_files import FOLDER

    if publish and not (FOLDER.parents[3] / "pyproject.toml").is_file():
        raise UserError(
            "--publish: works only in a checkout of the repository; without it, the measurements "
            "are in the folder given by --out"
        )


def deadline_in(minutes: float | None) -> float:
    """Return the value of `time.monotonic` in so many minutes; infinity without a limit.

    Raises
    ------
    UserError
        If the number is not positive and finite.
    """
    if minutes is None:
        return math.inf
    if not 0 < minutes < math.inf:
        raise UserError(f"--minutes {minutes}: must be positive and finite")
    return time.monotonic() + 60 * minutes


def valid_seeds(seeds: int | None) -> None:
    """Check a number of seeds of an experiment.

    Raises
    ------
    UserError
        If it is not positive, or so large that the seeds are also those of controls.
    """
    from bnproof.empirical.trial import APART

    if seeds is not None and not 1 <= seeds <= APART:
        raise UserError(
            f"--seeds {seeds}: must be 1 to {APART}; larger seeds are used by the controls"
        )


UNFINISHED: Final = 3  # exit status if work is left; repeating the command resumes it


@contextmanager
def lock_report(folder: Path) -> Iterator[None]:
    """Lock an existing report folder against other commands.

    Otherwise the page of one command could end up with the evidence of another.

    Raises
    ------
    UserError
        If another process holds the lock, which is released when that process ends.
    """
    from bnproof.report.document import FIGURE_FOLDER
    from bnproof.theory.common import files
    from bnproof.theory.common.locks import locked

    busy = f"{folder}: another process is writing to it"
    with locked(folder / LOCK, busy, "wait, or choose another folder"):
        for part in (folder, folder / FIGURE_FOLDER):
            files.clear(part)
        yield


def write_json(path: Path, content: object) -> None:
    """Write strict JSON, that is, without NaN and infinity."""
    from bnproof.theory.common import files

    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    files.write_text(path, text + "\n")


def command_line() -> str:
    """Return the command line, quoted for a shell."""
    return shlex.join(["bnproof", *sys.argv[1:]])
