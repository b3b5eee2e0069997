"""Random single-BN-layer networks as one batch."""

from simulate.check import compare
from simulate.networks import draw
from simulate.quantities import Measured
from theory.claims.santurkar_4_1 import CLAIM as GRADIENT
from theory.claims.santurkar_4_2 import CLAIM as CURVATURE


class Simulate:
    """Relations evaluated on 1,000 networks by autodiff, float64."""

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
        """Rounding error of a relation that is an identity, over the terms that cancel."""
        return compare(self.claim.relation, Measured(self.problems)).excess.abs().max().item()

    track_largest_scaled_excess.unit = "relative"
