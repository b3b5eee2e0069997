"""Batches of random networks with one BN layer."""

from time import process_time

import torch

from bnproof.simulate.check import compare
from bnproof.simulate.samplers.autodiff import Measured
from bnproof.simulate.samplers.closed_form import BOUNDS, Rounded, evaluate
from bnproof.simulate.samplers.definitions.regimes import REGIMES
from bnproof.simulate.samplers.networks import draw
from bnproof.theory.claims.gradient.santurkar_4_1 import CLAIM as GRADIENT
from bnproof.theory.claims.hessian.santurkar_4_2 import CLAIM as CURVATURE

timer = process_time  # used by asv; less affected by other processes than wall-clock time


class Simulate:
    """Evaluation of relations on 1,000 networks by automatic differentiation, float64."""

    params = ([8, 64], ["gradient", "curvature"])
    param_names = ("m", "relation")

    def setup(self, m: int, relation: str) -> None:
        self.claim = GRADIENT if relation == "gradient" else CURVATURE
        self.problems = draw(1_000, m, "cross-entropy", seed=20, epsilons=(0.0,))

    def time_compare(self, m: int, relation: str) -> None:
        compare(self.claim.relation, Measured(self.problems))

    def peakmem_compare(self, m: int, relation: str) -> None:
        compare(self.claim.relation, Measured(self.problems))

    def track_largest_scaled_excess(self, m: int, relation: str) -> float:
        """Rounding error of an identity, relative to the terms that cancel."""
        return compare(self.claim.relation, Measured(self.problems)).excess.abs().max().item()

    track_largest_scaled_excess.unit = "relative"


class Networks:
    """Both sides of Theorems 4.1 and 4.2 of A18 on 2,000 networks, m = 64, float64."""

    params = (["cross-entropy", "squared error", "logistic", "non-convex"],)
    param_names = ("loss",)

    def setup(self, loss: str) -> None:
        self.problems = draw(2_000, 64, loss, seed=21)

    def time_autodiff(self, loss: str) -> None:
        for start in range(0, 2_000, 100):
            measured = Measured(self.problems.take(slice(start, start + 100)))
            for symbol in BOUNDS:
                measured.value(symbol)

    def time_closed_form(self, loss: str) -> None:
        evaluate(self.problems)

    def time_draw(self, loss: str) -> None:
        draw(2_000, 64, loss, seed=21)

    def peakmem_closed_form(self, loss: str) -> None:
        evaluate(self.problems)

    def track_worst_scaled_error(self, loss: str) -> float:
        """Worst error of the closed form in any regime, relative to the terms that cancel."""
        worst = 0.0
        for regime in REGIMES:
            problems = draw(200, 64, loss, seed=22, regime=regime)
            exact, closed = Measured(problems), Rounded(problems)
            for symbol in BOUNDS:
                error = (exact.value(symbol) - closed.value(symbol)).abs()
                size = closed.magnitude(symbol) + torch.finfo(error.dtype).tiny
                worst = max(worst, (error / size).max().item())
        return worst

    track_worst_scaled_error.unit = "relative"
