"""The space of two samples on a line, for the bound on their earth mover's distance."""

import sympy as sp
import torch
from torch import Tensor

from bnproof.simulate.samplers.base import Measurements
from bnproof.simulate.samplers.earth_mover import Samples
from bnproof.simulate.search.base import (
    Boxed,
    Exact,
    Graphed,
    Params,
    Point,
    normal,
    spoken,
    written,
)
from bnproof.theory.claim import ExactCase
from bnproof.theory.training import earth_mover as em


class SamplesModel(Graphed):
    """Symbols of K pairs, differentiable in both samples (K, n); the distance by sorting."""

    def __init__(self, params: Params) -> None:
        self.first, self.second = params["P"], params["Q"]


def _sorted_distance(q: SamplesModel) -> Tensor:
    steps = q.first.sort(-1).values - q.second.sort(-1).values
    return steps.abs().mean(-1)


def _sum_of_sizes(q: SamplesModel) -> Tensor:
    return (q.first.abs() + q.second.abs()).mean(-1)


SamplesModel.VALUES = {
    em.distance: _sorted_distance,
    em.gap: lambda q: (q.first.mean(-1) - q.second.mean(-1)).square(),
    em.spread_p: lambda q: q.first.var(-1, correction=0),
    em.spread_q: lambda q: q.second.var(-1, correction=0),
}
SamplesModel.MAGNITUDES = {
    em.distance: _sum_of_sizes,
    em.gap: lambda q: _sum_of_sizes(q).square(),
    em.spread_p: lambda q: 4 * q.first.square().mean(-1),
    em.spread_q: lambda q: 4 * q.second.square().mean(-1),
}


class SampleSpace(Boxed):
    """Pairs of samples on a line; exact data go to `bnproof.theory.training.earth_mover.Samples`.

    Parameters
    ----------
    symbols, domain
        Symbols of the relation, and the claim's hypothesis: the same space for all.
    """

    known = frozenset(SamplesModel.VALUES)
    sizes = ((2, 1), (3, 1), (4, 1))  # points, dimension
    usual = (3, 1)

    def __init__(self, symbols: frozenset[sp.Symbol], domain: sp.Basic) -> None:
        del symbols, domain

    def random(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Params:
        """Gaussian points."""
        draw = normal(count, generator)
        return {"P": draw(size[0]), "Q": draw(size[0])}

    def model(self, params: Params) -> Measurements:
        """Symbols with their graph."""
        return SamplesModel(params)

    def recorded(self, params: Params) -> Measurements:
        """Symbols as the sampler ``earth_mover`` measures them: over all pairings."""
        return Samples(params["P"].detach().unsqueeze(-1), params["Q"].detach().unsqueeze(-1))

    def exact(self, point: Point) -> Exact:
        """An `ExactCase` of `bnproof.theory.training.earth_mover.Samples`."""
        P, Q = point["P"], point["Q"]
        words = f"P on {spoken(P)} and Q on {spoken(Q)}, equal weights"
        case = ExactCase(words, em.Samples.of(P.tolist(), Q.tolist()).values)
        call = f"earth_mover.Samples.of({written(P)}, {written(Q)}).values"
        return Exact(case, words, f'ExactCase(\n    "{words}",\n    {call},\n)')
