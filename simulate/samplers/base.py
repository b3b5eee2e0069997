"""Base of all samplers: symbols with measured values and the magnitudes of their terms.

The adversary of `bnproof.simulate.search` climbs on the same measurements, with their graph.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, cached_property
from typing import Any, ClassVar, Final, TypeVar

import sympy as sp
import torch
from torch import Tensor

from bnproof.theory.symbols import SYMBOLS, axes_of

Measure = Callable[[Any], Tensor]
Normal = Callable[..., Tensor]
T = TypeVar("T")
LARGEST: Final = 2**62  # integer that is passed to PyTorch as it is


class Measurements:
    """Symbols measured on a batch of K instances.

    Subclasses fill `VALUES`, which maps each symbol to a function of the batch that returns (K,),
    or (K, m, ...) for a symbol with axes.  `MAGNITUDES` does the same, for symbols in which terms
    cancel, for the sum of the absolute values of those terms: the unit of their rounding error.
    A derived symbol without an entry is evaluated from its expression.  Each is measured once.

    Attributes
    ----------
    graph
        Whether values keep their graph, so that they can be differentiated in the data of the
        instances.  Magnitudes never do.
    """

    graph: bool = False

    VALUES: ClassVar[Mapping[sp.Symbol, Measure]] = {}
    MAGNITUDES: ClassVar[Mapping[sp.Symbol, Measure]] = {}

    def measures(self, symbol: sp.Symbol) -> bool:
        """Whether the symbol is measured, or is an expression in measured ones."""
        if symbol in self.VALUES:
            return True
        expression = SYMBOLS[symbol].expression if symbol in SYMBOLS else None
        return expression is not None and all(map(self.measures, expression.free_symbols))

    def value(self, symbol: sp.Symbol) -> Tensor:
        """Value of a symbol.

        Raises
        ------
        KeyError
            If this sampler does not measure the symbol.
        """
        if symbol not in self._values:
            if not self.measures(symbol):
                raise KeyError(f"{type(self).__name__} does not measure the symbol {symbol}")
            measured = self.VALUES.get(symbol)
            value = measured(self) if measured else evaluate(SYMBOLS[symbol].expression, self.value)
            self._values[symbol] = self.kept(value)
        return self._values[symbol]

    def magnitude(self, symbol: sp.Symbol) -> Tensor:
        """Sum of the absolute values of the terms that cancel in `symbol`, of the same shape."""
        if symbol not in self._magnitudes:
            self._magnitudes[symbol] = self._magnitude(symbol)
        return self._magnitudes[symbol]

    @cached_property
    def _values(self) -> dict[sp.Symbol, Tensor]:
        return {}

    @cached_property
    def _magnitudes(self) -> dict[sp.Symbol, Tensor]:
        return {}

    def _magnitude(self, symbol: sp.Symbol) -> Tensor:
        if symbol in self.MAGNITUDES:
            return self.MAGNITUDES[symbol](self).detach()
        if symbol in self.VALUES or not self.measures(symbol):
            return self.value(symbol).abs()
        parts = terms(SYMBOLS[symbol].expression)
        return torch.stack([evaluate(part, self.magnitude).abs() for part in parts]).sum(0)

    def kept(self, tensor: Tensor) -> Tensor:
        """The tensor, without its graph unless graphs are kept."""
        return tensor if self.graph else tensor.detach()

    def variable(self, tensor: Tensor) -> Tensor:
        """A copy to differentiate in, on which nothing else depends."""
        if self.graph and tensor.requires_grad:
            return tensor.clone()
        return tensor.detach().requires_grad_()

    def slope(self, values: Tensor, at: Tensor) -> Tensor:
        """Gradient of each instance's value (K, ...), summed, at a variable."""
        return torch.autograd.grad(values.sum(), at, retain_graph=True, create_graph=self.graph)[0]

    def instances(self) -> int:
        """Number of instances."""
        return len(self.value(next(iter(self.VALUES))))

    def faults(self) -> Mapping[str, Tensor]:
        """Reasons why instances are invalid, each with the mask of these instances, (K,)."""
        return {}

    def halves(self) -> "tuple[Measurements, Measurements] | None":
        """The same symbols for each half of the instances, or None if they cannot be halved."""
        return None


class OutsideError(ValueError):
    """No random instance lies in the domain of a claim."""


def dot(left: Tensor, right: Tensor) -> Tensor:
    """Inner products over the last axis."""
    return (left * right).sum(-1)


def apply(matrix: Tensor, vector: Tensor) -> Tensor:
    """Product of each matrix (..., n, d) with its vector (..., d)."""
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def jacobian(vector: Tensor, at: Tensor, *, create_graph: bool = False) -> Tensor:
    """Derivatives of `vector` (K, n) at a variable (K, ...), all rows at once, (K, n, ...).

    Further axes of `vector` are summed over.
    """
    n = vector.shape[1]
    rows = torch.eye(n, dtype=vector.dtype, device=vector.device)
    (found,) = torch.autograd.grad(
        vector,
        at,
        rows.reshape(n, 1, n, *[1] * (vector.dim() - 2)).expand(n, *vector.shape),
        retain_graph=True,
        create_graph=create_graph,
        is_grads_batched=True,
    )
    return found.movedim(0, 1)


def normals(source: int | torch.Generator, device: str = "cpu") -> Normal:
    """Standard normals of any shape in float64, from a seed or generator, equal on every device."""
    generator = torch.Generator().manual_seed(source) if isinstance(source, int) else source

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(device)

    return normal


def least_squares(matrix: Tensor, target: Tensor) -> Tensor:
    """Return the x (K, d) that minimise ``|matrix x - target|`` for matrices (K, m, d) of rank d.

    PyTorch's default driver on a CPU, ``gelsy``, passes LAPACK an uninitialised array of column
    indices, so the column order and the last digits depend on previous memory contents
    (pytorch/pytorch issue 187411).  ``gels`` has no such array, and is what a GPU uses anyway.
    """
    solution: Tensor = torch.linalg.lstsq(matrix, target.unsqueeze(-1), driver="gels").solution
    return solution.squeeze(-1)


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


@cache
def terms(expr: sp.Expr) -> tuple[sp.Expr, ...]:
    """The terms of an expanded expression, which may cancel."""
    return tuple(sp.Add.make_args(sp.expand(expr)))


def with_plain_numbers(expr: sp.Basic) -> sp.Basic:
    """The expression with constants evaluated that PyTorch would not take.

    Its functions take no plain numbers, and no integers of more than 64 bits.
    """
    return expr.replace(
        lambda part: (
            isinstance(part, sp.Expr)
            and part.is_number
            and bool(part.is_real)
            and not isinstance(part, sp.Float)
            and not (isinstance(part, sp.Rational) and max(abs(part.p), part.q) < LARGEST)
        ),
        lambda part: sp.N(part, 17),
    )


@cache
def compiled(expr: sp.Basic) -> tuple[list[sp.Symbol], Callable[..., Any]]:
    """The symbols of an expression, and the expression as a function of their tensors."""
    symbols = sorted(expr.free_symbols, key=str)
    return symbols, sp.lambdify(symbols, with_plain_numbers(expr), modules="torch", dummify=True)


def evaluate(expr: sp.Basic, value: Callable[[sp.Symbol], Tensor]) -> Tensor:
    """An expression of measured symbols, given the value of each; axes are broadcast."""
    symbols, function = compiled(expr)
    axes = axes_of(symbols)
    return torch.as_tensor(function(*(arrange(value(part), part, axes) for part in symbols)))
