"""What a sampler of random instances offers: symbols with values, and the size of their terms."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final, TypeVar

import sympy as sp
from torch import Tensor

from bnproof.theory.symbols import SYMBOLS

AXES: Final = "kil"
Measure = Callable[[Any], Tensor]
T = TypeVar("T")


class Measurements:
    """Symbols measured on a batch of K instances.

    A subclass fills `VALUES`: for each symbol a function of the instance batch that returns (K,),
    or (K, m, ...) for a symbol with axes.  `MAGNITUDES` gives, for symbols in which terms cancel,
    the sum of the absolute values of those terms: the unit of their rounding error.
    """

    VALUES: ClassVar[Mapping[sp.Symbol, Measure]] = {}
    MAGNITUDES: ClassVar[Mapping[sp.Symbol, Measure]] = {}

    def value(self, symbol: sp.Symbol) -> Tensor:
        """Value of a symbol.

        Raises
        ------
        KeyError
            If this sampler does not know the symbol.
        """
        if symbol not in self.VALUES:
            raise KeyError(f"{type(self).__name__} does not measure the symbol {symbol}")
        return self.VALUES[symbol](self).detach()

    def magnitude(self, symbol: sp.Symbol) -> Tensor:
        """Sum of the absolute values of the terms that cancel in `symbol`, same shape."""
        if symbol in self.MAGNITUDES:
            return self.MAGNITUDES[symbol](self).detach()
        return self.value(symbol).abs()

    def instances(self) -> int:
        """Number of instances."""
        return len(self.value(next(iter(self.VALUES))))

    def faults(self) -> Mapping[str, Tensor]:
        """What makes an instance unfit for any verdict, and which it is true of, (K,)."""
        return {}

    def halves(self) -> "tuple[Measurements, Measurements] | None":
        """The same symbols for each half of the instances, or None if it cannot be halved."""
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


def arrange(tensor: Tensor, symbol: sp.Symbol, axes: str) -> Tensor:
    """Insert axes of length 1 so that symbols with different axes broadcast.

    `axes` is the union, in the order k, i, l, of the axes of a relation's symbols.
    """
    own = SYMBOLS[symbol].axes
    for position, axis in enumerate(axes, start=1):
        if axis not in own:
            tensor = tensor.unsqueeze(position)
    return tensor


def axes_of(symbols: Iterable[sp.Symbol]) -> str:
    """The union of the symbols' axes, in the order k, i, l."""
    used = "".join(SYMBOLS[symbol].axes for symbol in symbols)
    return "".join(axis for axis in AXES if axis in used)
