"""What the spectrum of a random product takes, asked before it is drawn."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

from bnproof.simulate import memory
from bnproof.simulate.random_matrices.spectra.sampling import BETA, ENTRIES, Field
from bnproof.simulate.random_matrices.spectra.spectrum import is_graded
from bnproof.theory.common.errors import UserError

# Measured: matrices of the largest width that are held at once, beside the factors themselves.
TRIANGULAR: Final = 5
GRADED: Final = 8
PRODUCT: Final = 2_000  # bytes of each product, mostly its random generator
SHARE: Final = 0.8  # of the free memory
WIDEST: Final = 200_000  # one factor takes N^2 steps: minutes there, a day at ten times as much


def bytes_needed(widths: Sequence[int], repeats: int, kind: Field) -> int:
    """Bytes that `bnproof.simulate.random_matrices.spectra.spectrum.sampled` takes, roughly."""
    entry, rank = 8 * BETA[kind], min(widths)
    if is_graded(widths, kind):
        held = 2 * sum(fan * out for fan, out in pairwise(widths)) + GRADED * max(widths) ** 2
    elif len(widths) > 2:
        held = TRIANGULAR * max(rank**2, min(ENTRIES, repeats * rank**2))
    else:
        held = 20 * rank
    return entry * held + repeats * (PRODUCT + 4 * 8 * rank)


def check_fits(widths: Sequence[int], repeats: int, kind: Field, *, device: str = "cpu") -> None:
    """Refuse a product that is too large for this machine.

    Raises
    ------
    UserError
        Naming the option of `bnproof spectrum`, and the largest value that fits.
    """
    free, size = memory.free(device), max(widths)

    def fits(width: int, count: int) -> bool:
        """Whether it fits with the largest width so many, and the others in proportion."""
        scaled = [max(1, original * width // size) for original in widths]
        return not _slow(scaled) and bytes_needed(scaled, count, kind) <= SHARE * free

    if fits(size, repeats):
        return
    if fits(size, 1):
        most = _largest(repeats, lambda count: fits(size, count))
        raise UserError(f"--repeats {repeats}: memory suffices for {most}; give {most} or less")
    largest = _largest(size, lambda width: fits(width, 1))
    if len(set(widths)) == 1:
        name, advice = f"--size {size}", f"give {largest} or less"
    else:
        name = f"--widths {','.join(map(str, widths))}"
        advice = f"make the largest {largest} or less, and the others in proportion"
    need = memory.spoken(bytes_needed(widths, 1, kind))
    reason = "hours" if _slow(widths) else f"{need}, and {memory.spoken(free)} are free"
    raise UserError(f"{name}: takes {reason}; {advice}")


def _slow(widths: Sequence[int]) -> bool:
    return len(widths) == 2 and min(widths) > WIDEST


def _largest(high: int, fits: Callable[[int], bool]) -> int:
    """The largest number below `high`, which does not fit, that does; 1 if none does."""
    low = 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
