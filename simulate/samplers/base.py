"""Base of all samplers: symbols with measured values and the magnitudes of their terms."""

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

    Subclasses fill `VALUES`, which maps each symbol to a function of the batch that returns (K,),
    or (K, m, ...) for a symbol with axes.  `MAGNITUDES` does the same, for symbols in which terms
    cancel, for the sum of the absolute values of those terms: the unit of their rounding error.
    """

    VALUES: ClassVar[Mapping[sp.Symbol, Measure]] = {}
    MAGNITUDES: ClassVar[Mapping[sp.Symbol, Measure]] = {}

    def value(self, symbol: sp.Symbol) -> Tensor:
        """Value of a symbol.

        Raises
        ------
        KeyError
            If this sampler does not measure the symbol.
        """
        if symbol not in self.VALUES:
            raise KeyError(f"{type(self).__name__} does not measure the symbol {symbol}")
        return self.VALUES[symbol](self).detach()

    def magnitude(self, symbol: sp.Symbol) -> Tensor:
        """Sum of the absolute values of the terms that cancel in `symbol`, of the same shape."""
        if symbol in self.MAGNITUDES:
            return self.MAGNITUDES[symbol](self).detach()
        return self.value(symbol).abs()

    def instances(self) -> int:
        """Number of instances."""
        return len(self.value(next(iter(self.VALUES))))

    def faults(self) -> Mapping[str, Tensor]:
        """Reasons why instances are invalid, each with the mask of these instances, (K,)."""
        return {}

    def halves(self) -> "tuple[Measurements, Measurements] | None":
        """The same symbols for each half of the instances, or None if they cannot be halved."""
        return None


def dot(left: Tensor, right: Tensor) -> Tensor:
    """Inner products over the last axis."""
    return (left * right).sum(-1)


def stream(seed: int, number: int) -> int:
    """Seed of draw `number` of a run with `seed`; distinct for different runs up to 10^6 draws."""
    return seed * 1_000_003 + number


def chunks(
    cases: Iterable[T], total: int, largest: int, seed: int, *, apart: int = 1
) -> Iterator[tuple[T, int, int]]:
    """Yield (case, number of instances, stream): `total` of each case, at most `largest` at once.

    `apart` is the number of streams that each chunk uses.
    """
    jobs = ((case, start) for case in cases for start in range(0, total, largest))
    for number, (case, start) in enumerate(jobs):
        yield case, min(largest, total - start), stream(seed, apart * number)


def arrange(tensor: Tensor, symbol: sp.Symbol, axes: str) -> Tensor:
    """Insert axes of length 1 so that symbols with different axes broadcast.

    `axes` is the union of the axes of the relation's symbols, in the order k, i, l.
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
