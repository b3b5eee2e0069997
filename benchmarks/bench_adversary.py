"""The search for violations of an inequality, and the check of a person's own layer."""

from time import process_time

from bnproof import check_layer
from bnproof.simulate.layer_checks import wrong
from bnproof.simulate.search.ascent import attack
from bnproof.theory.claims.gradient.santurkar_4_1_eps import CLAIM as TIGHT
from bnproof.theory.claims.hessian.santurkar_4_2_eps import CLAIM as FALSE

timer = process_time  # read by asv: what other processes do on the machine counts less


class Adversary:
    """100 ascents of 40 steps at the smallest size, on a bound that holds and on one that fails."""

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
        """Left over right side where the search came closest: 1 is an equality."""
        return float(self.attack().ratio)

    track_largest_ratio.unit = "ratio"


class Layer:
    """`check_layer` on a layer that is right, and on three that are not."""

    def setup(self) -> None:
        self.right = wrong.Batch(8)

    def time_check_layer(self) -> None:
        check_layer(self.right, spec="batch")

    def peakmem_check_layer(self) -> None:
        check_layer(self.right, spec="batch")

    def track_failed_rows(self) -> int:
        """Checks that the right layer fails."""
        return len(check_layer(self.right, spec="batch").failed)

    track_failed_rows.unit = "rows"

    def track_wrong_layers_found(self) -> int:
        """How many of three wrong layers fail."""
        layers = (wrong.Unbiased(8), wrong.Detached(8), wrong.EpsOutside(8))
        return sum(not check_layer(layer, spec="batch").passed for layer in layers)

    track_wrong_layers_found.unit = "layers"
