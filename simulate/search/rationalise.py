"""Turn a violation in floating point into a simple one in rational arithmetic.

Points near the violation are rounded to small rationals.  Those that still violate the relation in
floating point are simplified one entry at a time; a step is accepted only if
`bnproof.theory.exact.evaluate.check` refutes the relation at the new point.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np

from bnproof.simulate.search.base import Exact, Params, Point, SearchSpace, stacked
from bnproof.simulate.search.statement import compiled
from bnproof.theory.claim import Claim, Evidence, RandomTest, Settings
from bnproof.theory.exact import evaluate as exact

TRIED: Final = 16  # violations to round
KEPT: Final = 3  # rounded points to simplify
MARGIN: Final = 1e-9  # scaled excess in floating point that justifies an exact evaluation
SIMPLE: Final = tuple(
    Fraction(sign * whole, part) for part in (1, 2) for whole in range(5) for sign in (1, -1)
)


@dataclass(frozen=True)
class Refutation:
    """Exact data that refute a claim, with the evidence of `evaluate.check`."""

    data: Exact
    evidence: Evidence
    cost: int


def cost(point: Point) -> int:
    """Complexity of a point: twice its bits, more for fractions and signs."""
    return sum(_bits(entry) for array in point.values() for entry in array.flat)


def _bits(value: Fraction) -> int:
    whole, part = value.numerator.bit_length(), value.denominator.bit_length() - 1
    return 2 * whole + 4 * part + (value < 0)


def refutation(
    claim: Claim, space: SearchSpace, points: Params, order: list[int], *, simplify: bool = True
) -> Refutation | None:
    """Return the simplest exact refutation found near `points`, or None.

    Parameters
    ----------
    claim
        Its relation and domain are used; its checks are ignored.
    points
        Violations, as a batch.
    order
        Their indices, most promising first.
    simplify
        Whether to simplify; otherwise the first rounded point that refutes is returned.
    """
    judge = Judge(claim, space)
    rounded = [point for index in order[:TRIED] for point in space.rounded(points, index)]
    refutations = []
    for point in judge.refuting(rounded, limit=KEPT if simplify else 1):
        simple = _simplest(point, space, judge) if simplify else point
        data = space.exact(simple)
        evidence = judge.certify(data)
        assert evidence is not None
        refutations.append(Refutation(data, evidence, cost(simple)))
    return min(refutations, key=lambda item: (item.cost, item.data.source), default=None)


def _simplest(point: Point, space: SearchSpace, judge: "Judge") -> Point:
    """Replace the point by the simplest neighbour that still refutes, until there is none."""
    while True:
        bound = cost(point)
        repaired = (space.repaired(option) for option in _options(point, space))
        simpler = [option for option in repaired if option is not None and cost(option) < bound]
        better = next(judge.refuting(simpler, limit=1), None)
        if better is None:
            return point
        point = better


def _options(point: Point, space: SearchSpace) -> Iterator[Point]:
    """Points that differ in one entry, or in two mirrored ones of a symmetric array."""
    yield from space.moves(point)
    for name in sorted(point.keys() - space.fixed):
        array = point[name]
        for index in np.ndindex(array.shape):
            mirror = index[::-1] if name == "A" else index
            if mirror < index:
                continue
            own: Fraction = array.item(index)
            for value in {*SIMPLE, Fraction(round(own)), -own}:
                if _bits(value) < _bits(own):
                    other = array.copy()
                    other[index] = other[mirror] = value
                    yield {**point, name: other}


class Judge:
    """Whether rational points refute a claim: in floating point first, then exactly."""

    def __init__(self, claim: Claim, space: SearchSpace) -> None:
        assert claim.relation is not None
        self.claim, self.space = claim, space
        self.statement = compiled(claim.relation, claim.domain)

    def refuting(self, points: list[Point], limit: int) -> Iterator[Point]:
        """Yield up to `limit` points that refute, simplest first."""
        refuted = 0
        for point in sorted(self._plausible(points), key=cost):
            if refuted < limit and self.certify(self.space.exact(point)) is not None:
                refuted += 1
                yield point

    def certify(self, data: Exact) -> Evidence | None:
        """Return the evidence of `evaluate.check` if these data refute the claim, else None."""
        try:
            evidence = exact.check(
                replace(self.claim, checks=(data.case, RandomTest())), Settings()
            )
        except (ValueError, NotImplementedError):  # outside the domain, or not refuted, or unsolved
            return None
        return evidence if evidence.holds is False else None

    def _plausible(self, points: list[Point]) -> list[Point]:
        if not points:
            return []
        params = stacked(points)
        model = self.space.measured(params, graph=True)
        posed = self.space.posed(params)
        verdicts = self.statement.judge(model, self.statement.sides(model))
        good = posed & verdicts.inside & (verdicts.excess > MARGIN)
        return [point for point, keep in zip(points, good.tolist(), strict=True) if keep]
