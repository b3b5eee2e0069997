"""What an adversary may choose: the data behind the symbols of a relation, as a space to search.

A space draws points, keeps them inside its bounds, measures symbols on them in two independent
ways, and turns a point of rationals into exact data that `bnproof.theory.exact.evaluate.check`
re-evaluates. Numbers that are searched are tensors with K points first; a rational point has one
array a name.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Protocol

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements
from bnproof.theory.claim import Counterexample, ExactCase

Params = dict[str, Tensor]
Point = Mapping[str, np.ndarray]  # arrays of Fraction

BOUND: Final = 8.0  # |entry| of anything searched: what is scale-free is found inside any box


@dataclass(frozen=True)
class Exact:
    """Exact data: the means that re-evaluates them, and Python source that builds it."""

    case: Counterexample | ExactCase
    words: str
    source: str


class SearchSpace(Protocol):
    """Data to search for one claim.

    Attributes
    ----------
    known
        Symbols that can be measured on these data.
    sizes
        What is tried, smallest first: batch sizes, or shapes.
    usual
        The size that will do if there is time for one only.
    fixed
        Names of numbers that belong to a size: nothing changes them, and all points of a batch
        have the same.
    """

    known: frozenset[sp.Symbol]
    sizes: tuple[Any, ...]
    usual: Any
    fixed: frozenset[str]

    def random(self, count: int, size: Any, generator: torch.Generator) -> Params:
        """Draw `count` points on the CPU, float64."""

    def project(self, params: Params) -> None:
        """Move points into the bounds, in place."""

    def posed(self, params: Params) -> Tensor:
        """Which points define every symbol well, (K,)."""

    def model(self, params: Params) -> Measurements:
        """Symbols with their graph; nothing is detached."""

    def recorded(self, params: Params) -> Measurements:
        """The same symbols as the samplers of `bnproof.simulate.check` measure them."""

    def rounded(self, params: Params, index: int) -> Iterator[Point]:
        """Rational points near one point, simple ones among them."""

    def repaired(self, point: Point) -> Point | None:
        """Adjust a point so that it can be evaluated exactly, or None."""

    def moves(self, point: Point) -> Iterator[Point]:
        """Changes of several entries at once that may make a point simpler."""

    def exact(self, point: Point) -> Exact:
        """Exact data of a rational point."""


class Graphed(Measurements):
    """Symbols whose values can be differentiated in the data that they are measured on."""

    def value(self, symbol: sp.Symbol) -> Tensor:
        """Value of a symbol, with its graph."""
        if symbol not in self.VALUES:
            raise KeyError(f"{type(self).__name__} does not measure the symbol {symbol}")
        return self.VALUES[symbol](self)


class Boxed:
    """What most spaces share: entries in a box, any rational point is exact, no joint moves."""

    fixed: frozenset[str] = frozenset()

    def project(self, params: Params) -> None:
        """Keep entries in the box."""
        for name in params.keys() - self.fixed:
            params[name].clamp_(-BOUND, BOUND)

    def posed(self, params: Params) -> Tensor:
        """Every point."""
        one = next(iter(params.values())).detach()
        return torch.ones(len(one), dtype=torch.bool, device=one.device)

    def rounded(self, params: Params, index: int) -> Iterator[Point]:
        """Multiples of 1, 1/2 and 1/4 that can be evaluated exactly."""
        for parts in (1, 2, 4):
            near_by = {name: near(tensor[index].detach(), parts) for name, tensor in params.items()}
            point = self.repaired(near_by)
            if point is not None:
                yield point

    def repaired(self, point: Point) -> Point | None:
        """The point itself."""
        return point

    def moves(self, point: Point) -> Iterator[Point]:
        """None."""
        yield from ()


def stacked(points: list[Point], device: str = "cpu") -> Params:
    """Rational points as a batch, float64."""
    return {
        name: torch.tensor(np.array([point[name].astype(float) for point in points]), device=device)
        for name in points[0]
    }


def normal(count: int, generator: torch.Generator) -> Callable[..., Tensor]:
    """A function of shapes that draws standard normal numbers for `count` points."""

    def draw(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator, dtype=torch.float64)

    return draw


def near(array: Tensor, parts: int) -> np.ndarray:
    """Entries rounded to multiples of 1/parts."""
    whole = (array * parts).round().to(torch.int64).cpu().numpy()
    exact = np.vectorize(lambda entry: Fraction(int(entry), parts), otypes=[object])
    return np.asarray(exact(whole))


def written(array: Any) -> str:
    """A rational array as Python source: nested lists of integers and of strings."""
    entries = array.tolist() if isinstance(array, np.ndarray) else array
    if isinstance(entries, list):
        return "[" + ", ".join(map(written, entries)) + "]"
    return str(entries) if entries.denominator == 1 else f'"{entries}"'


def spoken(array: Any) -> str:
    """A rational array for a reader."""
    return written(array).replace('"', "")
