"""Search space of sums of N losses: gradients of the examples and a learning rate.

Batch size and factor r are part of a size.
"""

from functools import partial
from typing import Final

import sympy as sp
import torch

from bnproof.simulate.samplers.base import Measurements
from bnproof.simulate.samplers.sgd import Steps
from bnproof.simulate.search.base import Boxed, Exact, Params, Point, Size, normal, spoken, written
from bnproof.theory.claim import ExactCase
from bnproof.theory.exact import sgd as exact_sgd
from bnproof.theory.training import sgd

LEAST: Final = 1 / 8  # learning rate
WEIGHTS: Final = 2
SCALED: Final = frozenset({sgd.r, sgd.noise_rate, sgd.noise_steps})


class BatchSpace(Boxed):
    """Gradients of N examples; exact data go to `bnproof.theory.exact.sgd.batch`."""

    known = frozenset(Steps.VALUES)
    # Examples, batch size, r.
    sizes: tuple[Size, ...] = ((2, 1, 1), (2, 2, 1), (3, 2, 1), (4, 2, 1), (3, 3, 1))
    usual = (3, 2, 1)
    fixed = frozenset({"B", "r"})

    def __init__(self, symbols: frozenset[sp.Symbol], domain: sp.Basic) -> None:
        super().__init__(symbols, domain)
        if SCALED & symbols:  # every batch of r|B| examples is listed
            self.sizes = ((2, 1, 2), (3, 1, 2), (2, 2, 2), (2, 1, 3))
            self.usual = (3, 1, 2)

    def random(self, count: int, size: tuple[int, ...], generator: torch.Generator) -> Params:
        """Gaussian gradients, log-normal rates; batch size and r are the same for all."""
        draw = normal(count, generator)
        rate = draw(1).exp()
        data = {"gradients": draw(size[0], WEIGHTS), "alpha": rate}
        return data | {"B": 0 * rate + size[1], "r": 0 * rate + size[2]}

    def project(self, params: Params) -> None:
        """Keep entries in the box and rates positive."""
        super().project(params)
        params["alpha"].abs_().clamp_(min=LEAST)

    def measured(self, params: Params, *, graph: bool = False) -> Measurements:
        """Symbols as the sampler ``sgd`` measures them."""
        size, factor = (int(params[name][0]) for name in ("B", "r"))
        return Steps(params["gradients"], params["alpha"].squeeze(-1), size, factor, graph=graph)

    def repaired(self, point: Point) -> Point | None:
        """The point itself, or None if the learning rate is not positive."""
        return point if point["alpha"].item() > 0 else None

    def exact(self, point: Point) -> Exact:
        """An `ExactCase` of `bnproof.theory.exact.sgd.batch`."""
        gradients, alpha = point["gradients"], point["alpha"].item()
        size, factor = (int(point[name].item()) for name in ("B", "r"))
        words = f"gradients {spoken(gradients)}, alpha = {alpha}, |B| = {size}, r = {factor}"
        case = ExactCase(words, partial(exact_sgd.batch, gradients.tolist(), alpha, size, factor))
        listed = f"{written(gradients)}, {written(alpha)}, {size}, {factor}"
        call = f"partial(exact_sgd.batch, {listed})"
        return Exact(case, words, f'ExactCase(\n    "{words}",\n    {call},\n)')
