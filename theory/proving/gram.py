"""Vectors of any dimension, given by their inner products.

Statements about vectors in R^m that use only sums, scalar multiples, inner products and a
symmetric bilinear form can be proved for all m at once: a vector is a linear combination of named
basis vectors, and a `Space` holds the inner product of each pair (the Gram matrix).
"""

from collections.abc import Callable, Mapping
from typing import Any

import sympy as sp

Products = Mapping[tuple[str, str], sp.Expr]


class Space:
    """The span of named vectors with a given Gram matrix and, optionally, a bilinear form.

    Parameters
    ----------
    gram
        Inner product of each pair of names, in either order.
    form
        The same for a symmetric bilinear form H (``a'Hb``), or None.
    """

    def __init__(self, gram: Products, form: Products | None = None) -> None:
        self.gram = _symmetric(gram)
        self.form = _symmetric(form or {})

    def vector(self, name: str) -> "Vector":
        """Return the basis vector `name`."""
        if (name, name) not in self.gram:
            raise KeyError(f"no basis vector {name!r}")
        return Vector(self, {name: sp.Integer(1)})


class Vector:
    """A linear combination of the basis vectors of a `Space`."""

    def __init__(self, space: Space, parts: Mapping[str, sp.Expr]) -> None:
        self.space = space
        self.parts = {name: sp.sympify(part) for name, part in parts.items() if part != 0}

    def map(self, change: Callable[[sp.Expr], sp.Expr]) -> "Vector":
        """Apply `change` to every coefficient."""
        return Vector(self.space, {name: change(part) for name, part in self.parts.items()})

    def __add__(self, other: "Vector") -> "Vector":
        names = self.parts.keys() | other.parts.keys()
        return Vector(
            self.space,
            {name: self.parts.get(name, 0) + other.parts.get(name, 0) for name in sorted(names)},
        )

    def __mul__(self, scalar: Any) -> "Vector":
        return self.map(lambda part: part * scalar)

    __rmul__ = __mul__

    def __truediv__(self, scalar: Any) -> "Vector":
        return self.map(lambda part: part / scalar)

    def __neg__(self) -> "Vector":
        return self * -1

    def __sub__(self, other: "Vector") -> "Vector":
        return self + (-other)

    def dot(self, other: "Vector") -> sp.Expr:
        """Inner product with `other`."""
        return _pair(self.space.gram, self, other)

    def through(self, other: "Vector") -> sp.Expr:
        """``self' H other`` for the space's bilinear form H."""
        return _pair(self.space.form, self, other)

    def diff(self, *variables: sp.Symbol) -> "Vector":
        """Differentiate the coefficients (the basis vectors are constant)."""
        return self.map(lambda part: sp.diff(part, *variables))

    def at(self, values: Mapping[sp.Symbol, Any]) -> "Vector":
        """Substitute in the coefficients and simplify."""
        return self.map(lambda part: sp.simplify(part.subs(values)))

    def coefficient(self, name: str) -> sp.Expr:
        """Coefficient on the basis vector `name`."""
        return self.parts.get(name, sp.Integer(0))

    def equals(self, other: "Vector") -> bool:
        """Whether both have the same coefficients, so are equal in every realisation."""
        difference = self - other
        return all(is_zero(part) for part in difference.parts.values())

    def entry(self, entries: Mapping[str, sp.Expr]) -> sp.Expr:
        """One component, given that component of each basis vector."""
        return sp.Add(*(part * entries[name] for name, part in self.parts.items()))


def is_zero(expr: sp.Expr) -> bool:
    """Whether SymPy reduces an expression to 0: the fastest way that succeeds is enough."""
    expanded = sp.expand(expr)
    if expanded == 0:
        return True
    if expr.is_rational_function():
        return bool(sp.numer(sp.together(expr)).expand() == 0)
    return bool(sp.simplify(expanded) == 0)


def _symmetric(table: Products) -> dict[tuple[str, str], sp.Expr]:
    full = {pair: sp.sympify(value) for pair, value in table.items()}
    return full | {(b, a): value for (a, b), value in full.items()}


def _pair(table: Products, left: Vector, right: Vector) -> sp.Expr:
    return sp.Add(
        *(p * q * table[a, b] for a, p in left.parts.items() for b, q in right.parts.items())
    )
