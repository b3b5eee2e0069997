"""The search for counterexamples, and the checks of a user-defined layer."""

from time import process_time

from bnproof import check_layer
from bnproof.simulate.layer_checks import wrong
from bnproof.simulate.search.ascent import attack
from bnproof.theory.claims.gradient.santurkar_4_1_eps import CLAIM as TIGHT
from bnproof.theory.claims.hessian.santurkar_4_2_eps import CLAIM as FALSE

timer = process_time  # used by asv; less affected by other processes than wall-clock time


class Adversary:
    """100 ascents of 40 steps at the smallest size, for a bound that holds and one that fails."""

    params = (["holds", "fails"],)
    param_names = ("bound",)

    def setup(self, bound: str) -> None:
        self.claim = TIGHT if bound == "holds" else FALSE

    def attack(self):
        return attack(self.claim, restarts=100, steps=40, seed=50, simplify=False, sizes=(2,))

    def time_attack(self, bound: str) -> None:
        self.attack()

    def peakmem_attack(self, bound: str) -> None:
        self.attack()

    def track_largest_ratio(self, bound: str) -> float:
        """Largest ratio of left to right side; 1 is an equality."""
        return float(self.attack().ratio)

    track_largest_ratio.unit = "ratio"


class Layer:
    """`check_layer` on a correct layer and three wrong ones."""

    def setup(self) -> None:
        self.right = wrong.Batch(8)

    def time_check_layer(self) -> None:
        check_layer(self.right, spec="batch")

    def peakmem_check_layer(self) -> None:
        check_layer(self.right, spec="batch")

    def track_failed_rows(self) -> int:
        """Number of checks that the correct layer fails."""
        return len(check_layer(self.right, spec="batch").faults)

    track_failed_rows.unit = "rows"

    def track_wrong_layers_found(self) -> int:
        """Number of wrong layers, out of three, that fail."""
        layers = (wrong.Unbiased(8), wrong.Detached(8), wrong.EpsOutside(8))
        return sum(not check_layer(layer, spec="batch").passed for layer in layers)

    track_wrong_layers_found.unit = "layers"
