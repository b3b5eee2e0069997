"""The networks of S3's figure 1: with BN at three rates, without it at one at which it converges.

From the source: ResNet-110, 165 epochs at a rate of 0.1, 1,320 at 0.003, 2,400 at 0.0001, all else
as in `bnproof.empirical.protocols.bjorck`; the paper lowers the rate "as in" He et al. (2015), who
divide it by 10 after half and three quarters of the training, and so do we.  Our choices: at
`long` 20 layers and a fifteenth of the epochs, 11, 88 and 160; at `quick` 20 layers, and for all
rates the same 800 updates on batches of 32 of 1,000 images, 25 epochs.  The paper chose 0.0001
"such that the network without BN converges"; since 20 layers stay at chance there, they have the
next larger rate.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from bnproof.empirical.experiment import CONTROL, WITH, WITHOUT
from bnproof.empirical.figures.panels import Curves
from bnproof.empirical.figures.plot import Medians
from bnproof.empirical.figures.style import MIDDLE, SMALL
from bnproof.empirical.networks.table import Norm
from bnproof.empirical.protocols.bjorck import EPOCH, EPOCHS, LENGTHS, NETWORKS, resnet, updates
from bnproof.empirical.protocols.curves import Array, extended
from bnproof.empirical.setting import Setting, depths
from bnproof.empirical.training.tasks import Data
from bnproof.empirical.trial import DEPTH, Networks, Size, Trained, Trial
from bnproof.theory.claim import Scale

RATES: Final = {WITH: 0.1, MIDDLE: 0.003, SMALL: 0.0001}
WITHOUT_AS: Final = {
    Scale.SMOKE: MIDDLE,
    Scale.QUICK: MIDDLE,
    Scale.LONG: MIDDLE,
    Scale.PAPER: SMALL,
}
DEPTHS: Final = {Scale.SMOKE: 8, Scale.QUICK: 20, Scale.LONG: 20, Scale.PAPER: DEPTH}
TESTED: Final = {Scale.SMOKE: 50, Scale.QUICK: 1_000, Scale.LONG: 10_000, Scale.PAPER: 10_000}
# Of a run, after the first.
EVALUATIONS: Final = {Scale.SMOKE: 2, Scale.QUICK: 10, Scale.LONG: 30, Scale.PAPER: 30}
SIZES: Final = {
    Scale.SMOKE: Size(batch=16, seeds=2, updates=4, images=200),
    Scale.QUICK: Size(batch=32, seeds=5, updates=800, images=1_000),
    Scale.LONG: Size(batch=128, seeds=3, updates=EPOCHS[0.1] // 15 * EPOCH, images=None),
    Scale.PAPER: Size(batch=128, seeds=5, updates=EPOCHS[0.1] * EPOCH, images=None),
}
PROVENANCE: Final[Networks] = {
    "architecture": {scale: f"ResNet-{depth}" for scale, depth in DEPTHS.items()},
    "length": LENGTHS,
    **NETWORKS,
}

SETTING: Final = Setting(network=depths(DEPTH, DEPTHS), updates=SIZES[Scale.PAPER].updates)


def train(trial: Trial, net: str, *, seed: int | None = None, data: Data | None = None) -> Trained:
    """Train one of the four networks, or load the run if it is done."""
    norm: Norm = "none" if net == WITHOUT else "batch"
    rate = RATES[WITHOUT_AS[trial.scale] if net == WITHOUT else net]
    steps = updates(trial, rate)
    return resnet(
        trial,
        DEPTHS[trial.scale],
        norm,
        rate,
        seed=seed,
        data=data,
        steps=steps,
        schedule="step",
        every=steps // EVALUATIONS[trial.scale],
        tested=TESTED[trial.scale],
    )


def curves(trial: Trial) -> Mapping[str, Mapping[str, Any]]:
    """Training and test accuracy of all four networks through training."""
    return {net: curve(train(trial, net)) for net in (*RATES, WITHOUT)}


def curve(run: Trained) -> Mapping[str, Any]:
    """Accuracies against the share of the training; a run that diverged keeps its last accuracy."""
    training_config = run.training_config
    count = training_config.steps // training_config.every + 1
    rows: dict[str, Any] = {
        "rate": training_config.rate,
        "share": np.arange(count) * training_config.every / training_config.steps,
    }
    for name in ("train accuracy", "test accuracy"):
        values = run.column(name)[:count]
        rows[name] = extended(values, count)
        rows[f"final {name}"] = rows[name][-1]
    return rows


def panels(m: Medians, control: str) -> list[Curves]:
    """Training and test accuracy against the share of the training, as S3's figure 1."""
    lines = {net: f"with BN, rate {rate:g}" for net, rate in RATES.items()}
    lines[WITHOUT] = f"without BN, rate {m[WITHOUT, 'rate']:g}"
    lines[CONTROL] = f"{control} (control)"
    return [
        Curves(
            x="share",
            y=name,
            lines=lines,
            title=name,
            xlabel="share of the training",
            ylabel="accuracy (chance 0.1)",
        )
        for name in ("train accuracy", "test accuracy")
    ]


def gap_at(train_accuracy: Array, test_accuracy: Array, level: float) -> float:
    """Training minus test accuracy where the training accuracy first reaches `level`.

    Accuracies are interpolated linearly between evaluations.

    Raises
    ------
    ValueError
        If the training accuracy does not reach it.
    """
    reached = np.flatnonzero(train_accuracy >= level)
    if not len(reached):
        raise ValueError(f"level {level}: the training accuracy reaches {train_accuracy.max()}")
    place = int(reached[0])
    if place == 0:
        return float(level - test_accuracy[0])
    around = slice(place - 1, place + 1)
    return float(level - np.interp(level, train_accuracy[around], test_accuracy[around]))
