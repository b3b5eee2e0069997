"""The exception for user errors, and validation of arguments."""

import importlib.util
from collections.abc import Sequence
from decimal import Decimal
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Final

LARGEST_SEED: Final = 2**32 - 1  # accepted by both NumPy and PyTorch


class UserError(ValueError):
    """Invalid input: one line that names the value, the allowed range and the fix.

    The command line prints it without a traceback and exits with status 2.
    """


def not_importable(error: ImportError) -> str:
    """Return one line about a dependency that is missing or broken.

    Raises
    ------
    ImportError
        `error` itself, if it concerns a module of `bnproof`: that is a bug.
    """
    package = (error.name or "").partition(".")[0]
    if package == "bnproof":
        raise error
    if isinstance(error, ModuleNotFoundError) and package:
        return f"{package} is not installed; run `pip install bnproof`, which installs it"
    return f"{package or 'a package'} cannot be imported ({error}); install it again"


def require(*packages: str) -> None:
    """Check that packages are installed, before work that needs them only at its end.

    Raises
    ------
    ModuleNotFoundError
        For the first that is not; nothing is imported.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)


def one_of(name: str, value: object, allowed: Sequence[object]) -> None:
    """Check that a value is among those `allowed`.

    Raises
    ------
    UserError
        If it is not; names the value, the allowed ones and the closest match.
    """
    if value in allowed:
        return
    words = [str(entry) for entry in allowed]
    close = get_close_matches(str(value), words, n=1)
    nearest = f"; the nearest is {close[0]}" if close else ""
    raise UserError(f"{name} {value!r}: must be one of {', '.join(words)}{nearest}")


def whole(name: str, value: object, low: int) -> None:
    """Check that a value is an integer (not a bool) of at least `low`.

    Raises
    ------
    ValueError
        If it is not; names the value and the bound.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < low:
        raise ValueError(f"{name} {value!r}: must be an integer, at least {low}")


def valid_seed(name: str, value: object) -> None:
    """Check that NumPy and PyTorch accept a value as a seed; a bool is not a seed.

    Raises
    ------
    UserError
        If it is not a seed; names the value and the range.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise UserError(f"{name} {value!r}: must be an integer, 0 to {LARGEST_SEED}")
    seed = int(value)
    if not 0 <= seed <= LARGEST_SEED:
        shown = seed if abs(seed) <= 10 * LARGEST_SEED else f"{Decimal(seed):.3g}"
        raise UserError(f"{name} {shown}: must be an integer, 0 to {LARGEST_SEED}")


def positive(name: str, value: object) -> None:
    """Check that a value is a positive finite number (not a bool).

    Raises
    ------
    ValueError
        If it is not; names the value.
    """
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):  # type: ignore[operator]
        raise ValueError(f"{name} {value!r}: must be a positive finite number")


def described(error: BaseException) -> str:
    """An error in one line: its class, unless that is `ValueError`, and its message."""
    lines = str(error).splitlines()
    reason = lines[0] if lines else "no message"
    return reason if isinstance(error, ValueError) else f"{type(error).__name__}: {reason}"
