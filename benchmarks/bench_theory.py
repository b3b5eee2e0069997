"""Derivations and exact evaluation."""

from theory import batchnorm, exact
from theory.claim import Counterexample, Settings
from theory.claims import bn_hessian, santurkar_4_2, santurkar_4_2_eps
from theory.derived import check


class Theory:
    """Deriving formulas for symbolic m, and re-evaluating a counterexample in rationals."""

    timeout = 120

    def setup(self) -> None:
        batchnorm.first.cache_clear()
        batchnorm.second.cache_clear()

    def time_derive_hessian(self) -> None:
        bn_hessian.prove()

    def time_check_curvature_theorem(self) -> None:
        check(santurkar_4_2.CLAIM, Settings())

    def time_exact_counterexample(self) -> None:
        exact.check(santurkar_4_2_eps.CLAIM, Settings())

    def peakmem_derive_hessian(self) -> None:
        bn_hessian.prove()

    def track_counterexample_size(self) -> int:
        """Entries of y in the counterexample: smaller is easier to check by hand."""
        return len(santurkar_4_2_eps.CLAIM.means_of(Counterexample).y)

    track_counterexample_size.unit = "entries"
