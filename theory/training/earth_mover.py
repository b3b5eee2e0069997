"""Earth mover's distance of two distributions, bounded by their first two moments.

The distance is ``W_1(P,Q) = min E|x-y|`` over all couplings of x ~ P and y ~ Q in R^d.  Moments are
all that batch normalisation sets, so this bound is what it can give (S1, section 3.3; Huang and Yu
2020, arXiv:2001.02814, have bounds for their own measure).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations
from typing import Any

import sympy as sp

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
excess = symbol(
    "delta_W",
    r"\delta",
    "mean distance of independent x and y less the least mean distance",
    nonnegative=True,
)
variance = symbol(
    "Var|x-y|",
    r"\operatorname{Var}\|x-y\|",
    "variance of it, x and y independent",
    nonnegative=True,
)

CENTRED = Space(
    {
        ("x", "x"): spread_p,
        ("y", "y"): spread_q,
        ("mu", "mu"): gap,
        ("x", "y"): sp.Integer(0),
        ("x", "mu"): sp.Integer(0),
        ("y", "mu"): sp.Integer(0),
    }
)


def bound_steps(d: Derivation) -> None:
    """The squared means of the independent coupling, solved for the distance of the means."""
    d.given(
        "Independent x and y are one coupling, so the mean of their distance is at least the least",
        r"\mathbb E\|x-y\| = W_1(P,Q) + \delta,\quad \delta \ge 0",
        "E|x-y| = W_1(P,Q) + delta, delta >= 0",
    )
    x, y, mu = (CENTRED.vector(name) for name in ("x", "y", "mu"))
    d.given(
        "Inner product E<a,b>: x - mu_P, y - mu_Q and the constant mu_P - mu_Q are orthogonal, "
        "because x and y are independent and centred",
        r"x - y = (x-\mu_P) - (y-\mu_Q) + (\mu_P-\mu_Q)",
        "x - y = (x-mu_P) - (y-mu_Q) + (mu_P-mu_Q)",
    )
    step = x - y + mu
    d.equal(
        "Expand the square",
        (r"\mathbb E\|x-y\|^2", "E|x-y|^2"),
        step.dot(step),
        gap + spread_p + spread_q,
    )
    d.given(
        "A mean square is the square of the mean and the variance",
        r"\mathbb E\|x-y\|^2 = (W_1(P,Q)+\delta)^2 + \operatorname{Var}\|x-y\|",
        "E|x-y|^2 = (W_1(P,Q)+delta)^2 + Var|x-y|",
    )
    square = (distance + excess) ** 2 + variance
    d.value(
        gap,
        "Both together",
        square - (step.dot(step) - gap),
        square - spread_p - spread_q,
    )


@dataclass(frozen=True)
class Samples:
    """Two samples of one size on a line, each point of weight 1/n."""

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
            raise ValueError(f"samples of {len(P)} and {len(Q)} points: must be of one size, not 0")
        return cls(tuple(map(Fraction, P)), tuple(map(Fraction, Q)))

    def values(self) -> Mapping[sp.Symbol, sp.Expr]:
        """Distance as the least over all ways of pairing the points, and the moments."""
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
