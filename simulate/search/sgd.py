"""Search space of sums of N losses: gradients of the examples and a learning rate."""

from functools import partial
from typing import Final

import torch

from bnproof.simulate.samplers.base import Measurements
from bnproof.simulate.samplers.sgd import Steps
from bnproof.simulate.search.base import Boxed, Exact, Params, Point, normal, spoken, written
from bnproof.theory.claim import ExactCase
from bnproof.theory.exact import cases as exact_cases
from bnproof.theory.training import sgd

LEAST: Final = 1 / 8  # learning rate
WEIGHTS: Final = 2


class BatchSpace(Boxed):
    """Gradients of N examples; exact data go to `bnproof.theory.exact.cases.batch`."""

    known = frozenset({sgd.N, sgd.B, sgd.alpha, sgd.C, sgd.noise, sgd.noise_without})
    sizes = ((2, 1), (2, 2), (3, 2), (4, 2), (3, 3))  # examples, batch size
    usual = (3, 2)
    fixed = frozenset({"B"})

    def random(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Params:
        """Gaussian gradients, log-normal rates; the batch size is the same for all."""
        draw = normal(count, generator)
        rate = draw(1).exp()
        return {"gradients": draw(size[0], WEIGHTS), "alpha": rate, "B": 0 * rate + size[1]}

    def project(self, params: Params) -> None:
        """Keep entries in the box and rates positive."""
        super().project(params)
        params["alpha"].abs_().clamp_(min=LEAST)

    def measured(self, params: Params, *, graph: bool = False) -> Measurements:
        """Symbols as the sampler ``sgd`` measures them."""
        rate, size = params["alpha"].squeeze(-1), int(params["B"][0])
        return Steps(params["gradients"], rate, size, 1, graph=graph)

    def repaired(self, point: Point) -> Point | None:
        """The point itself, or None if the learning rate is not positive."""
        return point if point["alpha"].item() > 0 else None

    def exact(self, point: Point) -> Exact:
        """An `ExactCase` of `bnproof.theory.exact.cases.batch`."""
        gradients, alpha, size = point["gradients"], point["alpha"].item(), int(point["B"].item())
        words = f"gradients {spoken(gradients)}, alpha = {alpha}, |B| = {size}"
        case = ExactCase(words, partial(exact_cases.batch, gradients.tolist(), alpha, size))
        call = f"partial(exact_cases.batch, {written(gradients)}, {written(alpha)}, {size})"
        return Exact(case, words, f'ExactCase(\n    "{words}",\n    {call},\n)')
