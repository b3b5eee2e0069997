"""Bounds on the earth mover's distance of two distributions by their first two moments.

The distance is ``W_1(P,Q) = min E|x-y|`` over all couplings of x ~ P and y ~ Q in R^d.  Batch
normalisation controls the first two moments only, so a bound in these is what it can guarantee
(S1, section 3.3; Huang and Yu 2020, arXiv:2001.02814, have bounds for their own measure).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations
from typing import Any

import sympy as sp

from bnproof.theory.proving import lemmas
from bnproof.theory.proving.derivation import Derivation
from bnproof.theory.proving.gram import Space
from bnproof.theory.symbols import symbol

distance = symbol(
    "W_1(P,Q)", "W_1(P,Q)", "earth mover's distance of two distributions", nonnegative=True
)
gap = symbol(
    "|mu_P-mu_Q|^2", r"\|\mu_P-\mu_Q\|^2", "squared distance of their means", nonnegative=True
)
spread_p = symbol(
    "tr Sigma_P", r"\operatorname{tr}\Sigma_P", "sum of the variances of P", nonnegative=True
)
spread_q = symbol(
    "tr Sigma_Q", r"\operatorname{tr}\Sigma_Q", "sum of the variances of Q", nonnegative=True
)
apart = symbol(
    "E|x-y|",
    r"\mathbb{E}\|x-y\|",
    "mean distance of independent x and y",
    nonnegative=True,
)
variance = symbol(
    "Var|x-y|",
    r"\operatorname{Var}\|x-y\|",
    "variance of the distance |x-y|, x and y independent",
    nonnegative=True,
)
along = symbol("|mu_P-mu_Q|", r"\|\mu_P-\mu_Q\|", "distance of their means", nonnegative=True)
aside = symbol(
    "E(|x-y| - <x-y,e>)",
    r"\mathbb{E}(\|x-y\| - \langle x-y, e\rangle)",
    "mean of |x-y| less its part along the unit vector e of mu_P-mu_Q, for the best coupling",
    nonnegative=True,
)

INDEPENDENT = lemmas.extreme(
    "The independent coupling is no better than the best one", apart - distance
)

_mean_p, _mean_q, _cross = (
    sp.Symbol(name, real=True) for name in ("|mu_P|^2", "|mu_Q|^2", "<mu_P,mu_Q>")
)
# Inner products E<a,b>: independence makes E<x,y> that of the means.
MOMENTS = Space(
    {
        ("x", "x"): spread_p + _mean_p,
        ("y", "y"): spread_q + _mean_q,
        ("x", "y"): _cross,
    }
)


def bound_steps(d: Derivation) -> None:
    """Derive |mu_P-mu_Q|^2 from the mean square E|x-y|^2 of the independent coupling."""
    d.define(
        "Let x ~ P and y ~ Q be independent: one coupling. The sums of the variances are",
        r"\operatorname{tr}\Sigma_P = \mathbb E\|x\|^2 - \|\mu_P\|^2,\quad "
        r"\mathbb E\langle x,y\rangle = \langle\mu_P,\mu_Q\rangle",
        "tr Sigma_P = E|x|^2 - |mu_P|^2, E<x,y> = <mu_P,mu_Q>",
    )
    x, y = (MOMENTS.vector(name) for name in ("x", "y"))
    means = _mean_p - 2 * _cross + _mean_q
    d.equal(
        "Expand the square",
        (r"\mathbb E\|x-y\|^2", "E|x-y|^2"),
        (x - y).dot(x - y),
        means + spread_p + spread_q,
        shown=gap + spread_p + spread_q,
    )
    d.define(
        "The variance of the distance",
        r"\operatorname{Var}\|x-y\| = \mathbb E\|x-y\|^2 - (\mathbb E\|x-y\|)^2",
        "Var|x-y| = E|x-y|^2 - (E|x-y|)^2",
    )
    (solved,) = sp.solve(gap + spread_p + spread_q - apart**2 - variance, gap)
    d.value(
        gap,
        "Both are E|x-y|^2; solve for the squared distance of the means",
        solved,
        apart**2 + variance - spread_p - spread_q,
    )


def lower_steps(d: Derivation) -> None:
    """Derive W_1(P,Q) = E|x-y| of the best coupling from the means and what is not along them."""
    mean_p, mean_q, mean_of_length = (
        sp.Symbol(name, real=True) for name in ("<mu_P,e>", "<mu_Q,e>", "E|x-y|")
    )
    d.define(
        "Let x ~ P and y ~ Q be the best coupling, and e the unit vector along mu_P - mu_Q, or 0 "
        "if the means are equal. The part of x - y along e is no longer than x - y, so that the "
        "mean of the rest is not negative",
        r"W_1(P,Q) = \mathbb E\|x-y\|,\quad \|\mu_P-\mu_Q\| = \langle\mu_P-\mu_Q, e\rangle,\quad "
        r"\langle x-y, e\rangle \le \|x-y\|",
        "W_1(P,Q) = E|x-y|, |mu_P-mu_Q| = <mu_P-mu_Q,e>, <x-y,e> <= |x-y|",
    )
    (whole,) = sp.solve(mean_of_length - (mean_p - mean_q) - aside, mean_of_length)
    d.value(
        distance,
        "E is linear and each coupling has the same means, so that E<x-y,e> = <mu_P-mu_Q,e>",
        whole.subs(mean_p, along + mean_q),
        along + aside,
    )
    axis = Space({("e", "e"): sp.Integer(1)}).vector("e") * along
    d.value(gap, "The squared distance of the means, |mu_P-mu_Q| e", axis.dot(axis), along**2)


@dataclass(frozen=True)
class Samples:
    """Two samples of equal size n on a line, each point with weight 1/n."""

    P: tuple[Fraction, ...]
    Q: tuple[Fraction, ...]

    @classmethod
    def of(cls, P: Sequence[Any], Q: Sequence[Any]) -> "Samples":
        """Build from integers, fractions or strings such as ``"3/4"``.

        Raises
        ------
        ValueError
            If the samples are empty or differ in size.
        """
        if len(P) != len(Q) or not P:
            raise ValueError(f"samples of {len(P)} and {len(Q)} points: sizes must be equal, not 0")
        return cls(tuple(map(Fraction, P)), tuple(map(Fraction, Q)))

    def values(self) -> Mapping[sp.Symbol, sp.Expr]:
        """Exact distance, the minimum over all pairings of the points, and the moments."""
        count = len(self.P)
        pairings = (
            sum(abs(x - y) for x, y in zip(self.P, order, strict=True))
            for order in permutations(self.Q)
        )
        means = [sum(sample, Fraction(0)) / count for sample in (self.P, self.Q)]
        spreads = [
            sum(((point - mean) ** 2 for point in sample), Fraction(0)) / count
            for sample, mean in zip((self.P, self.Q), means, strict=True)
        ]
        exact = (min(pairings) / count, (means[0] - means[1]) ** 2, *spreads)
        names = (distance, gap, spread_p, spread_q)
        return {name: sp.Rational(value) for name, value in zip(names, exact, strict=True)}
