"""What a world of random instances offers: letters with values, and the size of their terms."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final, TypeVar

import sympy as sp
from torch import Tensor

from bnproof.theory.symbols import LETTERS

AXES: Final = "kil"
Measure = Callable[[Any], Tensor]
T = TypeVar("T")


class Letters:
    """Letters measured on a batch of K instances.

    A subclass fills `VALUES`: for each letter a function of the instance batch that returns (K,),
    or (K, m, ...) for a letter with axes.  `MAGNITUDES` gives, for letters in which terms cancel,
    the sum of the absolute values of those terms: the unit of their rounding error.
    """

    VALUES: ClassVar[Mapping[sp.Symbol, Measure]] = {}
    MAGNITUDES: ClassVar[Mapping[sp.Symbol, Measure]] = {}

    def value(self, letter: sp.Symbol) -> Tensor:
        """Value of a letter.

        Raises
        ------
        KeyError
            If this world does not know the letter.
        """
        if letter not in self.VALUES:
            raise KeyError(f"{type(self).__name__} does not measure the letter {letter}")
        return self.VALUES[letter](self).detach()

    def magnitude(self, letter: sp.Symbol) -> Tensor:
        """Sum of the absolute values of the terms that cancel in `letter`, same shape."""
        if letter in self.MAGNITUDES:
            return self.MAGNITUDES[letter](self).detach()
        return self.value(letter).abs()

    def instances(self) -> int:
        """Number of instances."""
        return len(self.value(next(iter(self.VALUES))))

    def faults(self) -> Mapping[str, Tensor]:
        """What makes an instance unfit for any verdict, and which it is true of, (K,)."""
        return {}

    def halves(self) -> "tuple[Letters, Letters] | None":
        """The same letters for each half of the instances, or None if it cannot be halved."""
        return None


def stream(seed: int, number: int) -> int:
    """Seed of draw `number` of a run with `seed`: no two runs share one before a million draws."""
    return seed * 1_000_003 + number


def chunks(
    cases: Iterable[T], total: int, largest: int, seed: int, *, apart: int = 1
) -> Iterator[tuple[T, int, int]]:
    """Yield (case, instances, stream): `total` of each case, at most `largest` at once.

    `apart` is how many streams each chunk draws from.
    """
    jobs = ((case, start) for case in cases for start in range(0, total, largest))
    for number, (case, start) in enumerate(jobs):
        yield case, min(largest, total - start), stream(seed, apart * number)


def arrange(tensor: Tensor, letter: sp.Symbol, axes: str) -> Tensor:
    """Insert axes of length 1 so that letters with different axes broadcast.

    `axes` is the union, in the order k, i, l, of the axes of a relation's letters.
    """
    own = LETTERS[letter].axes
    for position, axis in enumerate(axes, start=1):
        if axis not in own:
            tensor = tensor.unsqueeze(position)
    return tensor


def axes_of(letters: Iterable[sp.Symbol]) -> str:
    """The union of the letters' axes, in the order k, i, l."""
    used = "".join(LETTERS[letter].axes for letter in letters)
    return "".join(axis for axis in AXES if axis in used)
