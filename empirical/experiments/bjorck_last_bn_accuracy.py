"""How much of BN's gain in accuracy one BN at the last layer captures (S3, section 4)."""

from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from empirical.bjorck_protocol import NETWORKS, SIZES, resnet
from empirical.experiment import CONTROL, WITH, WITHOUT, Criterion, Experiment, Measured
from empirical.networks import Norm
from empirical.pictures import LAST, STYLES
from empirical.rates import accuracy
from empirical.trial import DEPTH, Size, Trial
from theory.claim import Claim, Evidence, Scale, Verdict
from theory.sources import Source

PRINTED: Final = 0.901
PART: Final = 0.6  # two thirds, to one digit
DEPTHS: Final = {Scale.SMOKE: 14, Scale.QUICK: 56, Scale.PAPER: DEPTH}
# The paper's for none and all, and for one BN the rate of this statement; at quick each with one
# rate more, for a network of half the depth and a short training.
RATES: Final[dict[Norm, tuple[float, ...]]] = {
    "batch": (0.1, 0.0125),
    "last": (0.025, 0.003125),
    "none": (0.0016, 0.0002),
}
ACCURACY: Final = "test accuracy"
SHARE: Final = "share of BN's gain"
SMALLEST: Final = 0.01  # gain of BN: less is noise
TRAINING: Final = {
    Scale.SMOKE: Size(batch=16, seeds=2, updates=2, images=200),
    Scale.QUICK: Size(batch=32, seeds=3, updates=200, images=None),
    Scale.PAPER: Size(batch=128, seeds=5, updates=165 * 390, images=None),
}


def run(trial: Trial) -> Measured:
    """Train the three networks at their rates, and one without BN from another seed."""
    best = {
        WITH: _best(trial, "batch"),
        LAST: _best(trial, "last"),
        WITHOUT: _best(trial, "none"),
        CONTROL: _best(trial, "none", seed=trial.seed + 1),
    }
    lowest = best[WITHOUT][ACCURACY]
    gain = max(best[WITH][ACCURACY] - lowest, SMALLEST)
    return {net: {**row, SHARE: (row[ACCURACY] - lowest) / gain} for net, row in best.items()}


def _best(trial: Trial, norm: Norm, *, seed: int | None = None) -> dict[str, Any]:
    """The accuracy at the best rate."""
    rates = RATES[norm]
    found = [
        accuracy(resnet(trial, DEPTHS[trial.scale], norm, rate, seed=seed, tested=_tested(trial)))
        for rate in rates
    ]
    return {ACCURACY: max(found), "rate": rates[int(np.argmax(found))]}


def _tested(trial: Trial) -> int:
    return {Scale.SMOKE: 50, Scale.QUICK: 2_000, Scale.PAPER: 10_000}[trial.scale]
