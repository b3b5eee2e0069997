"""The one exception for mistakes of the person who runs the program, and checks of arguments."""

import importlib.util
from collections.abc import Sequence
from decimal import Decimal
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Final

LARGEST_SEED: Final = 2**32 - 1  # that NumPy and PyTorch take


class UserError(ValueError):
    """Bad input: one line that names the value, the allowed range and the mend.

    The command line prints it without a traceback and exits with status 2.
    """


def not_importable(error: ImportError) -> str:
    """One line for a package that `bnproof` needs and that is missing or damaged.

    Raises
    ------
    ImportError
        `error` itself, if a module of `bnproof` is what cannot be imported: that is a bug.
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
    """Refuse a value that is not among those `allowed`.

    Raises
    ------
    UserError
        Naming the value, what is allowed and, where one is close, the nearest.
    """
    if value in allowed:
        return
    words = [str(entry) for entry in allowed]
    close = get_close_matches(str(value), words, n=1)
    nearest = f"; the nearest is {close[0]}" if close else ""
    raise UserError(f"{name} {value!r}: must be one of {', '.join(words)}{nearest}")


def whole(name: str, value: object, low: int) -> None:
    """Refuse what is not an integer of at least `low`; True and False are none.

    Raises
    ------
    ValueError
        Naming the value and the bound.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < low:
        raise ValueError(f"{name} {value!r}: must be an integer, at least {low}")


def valid_seed(name: str, value: object) -> None:
    """Refuse what NumPy or PyTorch would not take as a seed; True and False are none.

    Raises
    ------
    UserError
        Naming the value and the range.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise UserError(f"{name} {value!r}: must be an integer, 0 to {LARGEST_SEED}")
    seed = int(value)
    if not 0 <= seed <= LARGEST_SEED:
        shown = seed if abs(seed) <= 10 * LARGEST_SEED else f"{Decimal(seed):.3g}"
        raise UserError(f"{name} {shown}: must be an integer, 0 to {LARGEST_SEED}")


def positive(name: str, value: object) -> None:
    """Refuse what is not a finite number above 0; True and False are none.

    Raises
    ------
    ValueError
        Naming the value.
    """
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):  # type: ignore[operator]
        raise ValueError(f"{name} {value!r}: must be a number, positive and finite")
