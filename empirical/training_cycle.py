"""The training cycles of figure 1 of Bjorck et al.: the smaller the rate, the more updates."""

from typing import Any, Final

import numpy as np

from empirical.bjorck_protocol import NETWORKS, resnet
from empirical.networks import Norm
from empirical.rates import CHANCE
from empirical.tasks import Data
from empirical.trial import Size, Trained, Trial
from theory.claim import Scale

SLOW, FAST, FASTEST = 1e-4, 0.003, 0.1  # rates of the figure; without BN it shows the first only
# The paper trains for 2400, 1320 and 165 epochs; every scale keeps their proportion.
LONGER: Final = {SLOW: 2400 / 165, FAST: 1320 / 165, FASTEST: 1.0}
DEPTHS: Final = {Scale.SMOKE: 8, Scale.QUICK: 8, Scale.PAPER: 110}
# Updates are those of the largest rate; 165 epochs of 390 batches at the scale of the paper.
SIZES: Final = {
    Scale.SMOKE: Size(batch=8, seeds=2, updates=1, images=100),
    Scale.QUICK: Size(batch=128, seeds=3, updates=90),
    Scale.PAPER: Size(batch=128, seeds=5, updates=64_350, images=None),
}
TESTED: Final = {Scale.SMOKE: 50, Scale.QUICK: 1_000, Scale.PAPER: 10_000}
POINTS: Final = 10  # evaluations of a run
PROVENANCE: Final = {"architecture": "ResNet-8 at quick, ResNet-110 at paper", **NETWORKS}
PROTOCOL: Final = (
    "Found: ResNet-110, rates 0.0001, 0.003 and 0.1 for 2400, 1320 and 165 epochs, divided by 10 "
    "on plateaus, five runs. Ours at quick: ResNet-8 on 5,000 images, 90 updates at 0.1 and as "
    "many more at the other rates as in the paper, so that the axis is that of the figure; no run "
    "is long enough for a plateau."
)

TRAIN: Final = "train accuracy"
TEST: Final = "test accuracy"
GAP: Final = "train accuracy less test accuracy"


def cycle(
    trial: Trial, norm: Norm, rate: float, *, seed: int | None = None, data: Data | None = None
) -> Trained:
    """Train through the cycle that belongs to a rate."""
    every = max(round(trial.size.updates * LONGER[rate] / POINTS), 1)
    return resnet(
        trial,
        DEPTHS[trial.scale],
        norm,
        rate,
        seed=seed,
        data=data,
        steps=every * POINTS,
        every=every,
        tested=TESTED[trial.scale],
    )


def curves(found: Trained) -> dict[str, Any]:
    """Accuracies at equal parts of the cycle, (`POINTS` + 1,); chance throughout if it diverged."""
    rows = {
        name: found.column(name) if found.diverged is None else np.full(POINTS + 1, CHANCE)
        for name in (TRAIN, TEST)
    }
    return {**rows, GAP: rows[TRAIN] - rows[TEST]}
