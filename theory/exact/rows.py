"""Rational vectors and matrices from what a user writes: integers, fractions or strings."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import sympy as sp

Rows = Sequence[Sequence[Any]]
Row = list[sp.Rational]


def numbers(values: Iterable[Any]) -> Row:
    """The entries of a vector as rational numbers."""
    return [sp.Rational(Fraction(value)) for value in values]


def matrix(rows: Rows) -> sp.Matrix:
    """A matrix by its rows."""
    return sp.Matrix([numbers(row) for row in rows])
