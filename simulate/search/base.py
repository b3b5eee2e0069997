"""Search spaces: the data behind the symbols of a relation, which an attack may vary.

A space draws points, projects them into its bounds, measures symbols on them as a sampler of
`bnproof.simulate.check` does, and turns a rational point into exact data for
`bnproof.theory.exact.evaluate.check`, which alone refutes and shares nothing with the samplers.
Variables are tensors whose first axis is the K points; a rational point has one array per name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, Final, Protocol

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements, Normal, normals
from bnproof.theory.claim import Counterexample, ExactCase

Params = dict[str, Tensor]
Point = Mapping[str, np.ndarray]  # arrays of Fraction
Size = int | tuple[int, ...] | tuple[str, int]  # what it counts differs between spaces
Entries = np.ndarray | list["Entries"] | Fraction | int

BOUND: Final = 8.0  # bound on all entries; no restriction for scale-invariant relations


@dataclass(frozen=True)
class Exact:
    """Exact data as a check, in words, and as Python source that builds the check."""

    case: Counterexample | ExactCase
    words: str
    source: str


class SearchSpace(Protocol):
    """Search space of one claim.

    Parameters
    ----------
    symbols
        Symbols of the relation and its domain.
    domain
        The claim's hypothesis.  What `project` does not enforce, the ascent does.

    Attributes
    ----------
    known
        Symbols that can be measured on these data.
    sizes
        Batch sizes or shapes to try, smallest first.
    usual
        The size to use if there is time for only one.
    fixed
        Names of variables that are part of the size: never changed, and equal for all points of
        a batch.
    """

    known: frozenset[sp.Symbol]
    sizes: tuple[Size, ...]
    usual: Size
    fixed: frozenset[str]

    def __init__(self, symbols: frozenset[sp.Symbol], domain: sp.Basic) -> None: ...

    def random(self, count: int, size: Any, generator: torch.Generator) -> Params:
        """Draw `count` points on the CPU, in float64."""

    def project(self, params: Params) -> None:
        """Move points into the bounds, in place."""

    def posed(self, params: Params) -> Tensor:
        """Which points define every symbol well, (K,)."""

    def measured(self, params: Params, *, graph: bool = False) -> Measurements:
        """Symbols as a sampler measures them at `posed` points; with `graph`, to climb on.

        Where the sampler searches or verifies, which has no slope, the graph is that of a formula
        for the same symbol; points that are not posed have values as well.
        """

    def rounded(self, params: Params, index: int) -> Iterator[Point]:
        """Rational points near one point, including simple ones."""

    def repaired(self, point: Point) -> Point | None:
        """Adjust a point so that it can be evaluated exactly, or None."""

    def moves(self, point: Point) -> Iterator[Point]:
        """Changes of several entries at once that may simplify a point."""

    def exact(self, point: Point) -> Exact:
        """Exact data of a rational point."""


class Boxed:
    """Defaults of search spaces: entries in a box, every rational point is exact, no moves."""

    fixed: frozenset[str] = frozenset()

    def __init__(self, symbols: frozenset[sp.Symbol], domain: sp.Basic) -> None:
        del symbols, domain

    def project(self, params: Params) -> None:
        """Keep entries in the box."""
        for name in params.keys() - self.fixed:
            params[name].clamp_(-BOUND, BOUND)

    def posed(self, params: Params) -> Tensor:
        """Every point."""
        first = next(iter(params.values()))
        return torch.ones(len(first), dtype=torch.bool, device=first.device)

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
    """Rational points as a float64 batch."""
    return {
        name: torch.tensor(np.array([point[name].astype(float) for point in points]), device=device)
        for name in points[0]
    }


def normal(count: int, generator: torch.Generator) -> Normal:
    """Return a function that draws standard normals of a given shape for `count` points."""
    return partial(normals(generator), count)


def near(array: Tensor, parts: int) -> np.ndarray:
    """Entries rounded to multiples of 1/parts."""
    whole = (array * parts).round().to(torch.int64).cpu().numpy()
    exact = np.vectorize(lambda entry: Fraction(int(entry), parts), otypes=[object])
    return np.asarray(exact(whole))


def written(array: Entries) -> str:
    """A rational array as Python source: nested lists of integers and strings."""
    entries = array.tolist() if isinstance(array, np.ndarray) else array
    if isinstance(entries, list):
        return "[" + ", ".join(map(written, entries)) + "]"
    return str(entries) if entries.denominator == 1 else f'"{entries}"'


def spoken(array: Entries) -> str:
    """A rational array formatted for display."""
    return written(array).replace('"', "")
