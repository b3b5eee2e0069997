"""Exact values of the symbols of `training.sgd`, by listing every batch."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations, product
from typing import Any

import sympy as sp

from bnproof.theory.exact.rows import Row, Rows, numbers
from bnproof.theory.training import sgd


def batch(gradients: Rows, alpha: Any, size: int, factor: int = 1) -> Mapping[sp.Symbol, sp.Expr]:
    """Symbols of `training.sgd`, by listing every batch of `size` of the examples' gradients.

    `factor` is r; component k is the first.
    """
    rows = [numbers(row) for row in gradients]
    rate, count, zero = sp.Rational(Fraction(alpha)), len(rows), [sp.Integer(0)] * len(rows[0])
    mean = _mean(rows)

    def errors(batches: Iterable[Sequence[Row]], scale: int = 1) -> list[Row]:
        return [
            [scale * rate * (one - whole) for one, whole in zip(_mean(batch), mean, strict=True)]
            for batch in batches
        ]

    def spread(vectors: list[Row]) -> sp.Expr:
        return sum(_gap(vector, zero) for vector in vectors) / len(vectors)

    single = errors(product(rows, repeat=size))
    several = [
        [sum(part) for part in zip(*run, strict=True)] for run in product(single, repeat=factor)
    ]
    values = {
        sgd.N: sp.Integer(count),
        sgd.B: sp.Integer(size),
        sgd.r: sp.Integer(factor),
        sgd.alpha: rate,
        sgd.C: sum(_gap(row, mean) for row in rows) / count,
        sgd.grad_k: mean[0],
        sgd.squares: sum(_gap(row, zero) for row in rows),
        sgd.square: count**2 * _gap(mean, zero),
        sgd.error_k: _mean(single)[0],
        sgd.noise: spread(single),
        sgd.noise_rate: spread(errors(product(rows, repeat=factor * size), factor)),
        sgd.noise_steps: spread(several),
    }
    if size <= count:
        values[sgd.noise_without] = spread(errors(combinations(rows, size)))
    return values


def _mean(rows: Sequence[Row]) -> Row:
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def _gap(left: Row, right: Row) -> sp.Expr:
    return sum((a - b) ** 2 for a, b in zip(left, right, strict=True))
