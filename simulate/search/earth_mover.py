"""Search space of two samples on a line, for the bound on their earth mover's distance."""

import torch

from bnproof.simulate.samplers.base import Measurements
from bnproof.simulate.samplers.earth_mover import Samples
from bnproof.simulate.search.base import Boxed, Exact, Params, Point, normal, spoken, written
from bnproof.theory.claim import ExactCase
from bnproof.theory.training import earth_mover as em


class SampleSpace(Boxed):
    """Pairs of samples on a line; exact data go to `theory.training.earth_mover.Samples`."""

    known = frozenset(Samples.VALUES)
    sizes = ((2, 1), (3, 1), (4, 1))  # points, dimension
    usual = (3, 1)

    def random(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Params:
        """Gaussian points."""
        draw = normal(count, generator)
        return {"P": draw(size[0]), "Q": draw(size[0])}

    def measured(self, params: Params, *, graph: bool = False) -> Measurements:
        """Symbols as the sampler ``earth_mover`` measures them: over all pairings."""
        return Samples(params["P"].unsqueeze(-1), params["Q"].unsqueeze(-1), graph=graph)

    def exact(self, point: Point) -> Exact:
        """An `ExactCase` of `bnproof.theory.training.earth_mover.Samples`."""
        P, Q = point["P"], point["Q"]
        words = f"P on {spoken(P)} and Q on {spoken(Q)}, equal weights"
        case = ExactCase(words, em.Samples.of(P.tolist(), Q.tolist()).values)
        call = f"earth_mover.Samples.of({written(P)}, {written(Q)}).values"
        return Exact(case, words, f'ExactCase(\n    "{words}",\n    {call},\n)')
