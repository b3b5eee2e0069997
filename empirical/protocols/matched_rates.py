"""The networks of S3's figure 1: with BN at three rates, without it at one at which it converges.

Found: ResNet-110, 165 epochs at a rate of 0.1, 1,320 at 0.003, 2,400 at 0.0001, all else as
`bnproof.empirical.protocols.bjorck`; the paper lowers the rate "as in" He et al. (2015), who divide
it by 10 after half and three quarters of the training, and so do we.  Ours, at `quick`: 20 layers,
and for all rates the same 800 updates on batches of 32 of a thousand images, 25 epochs.  The paper
picked 0.0001 "such that the network without BN converges"; 20 layers stay at chance there, and so
have the next rate.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bnproof.empirical.experiment import CONTROL, WITH, WITHOUT
from bnproof.empirical.networks.table import Norm
from bnproof.empirical.plots import MIDDLE, SMALL, legend_below, median_band
from bnproof.empirical.protocols.bjorck import NETWORKS, resnet
from bnproof.empirical.training.tasks import Data
from bnproof.empirical.trial import DEPTH, Size, Trained, Trial
from bnproof.theory.claim import Evidence, Scale

RATES: Final = {WITH: 0.1, MIDDLE: 0.003, SMALL: 0.0001}
WITHOUT_AS: Final = {Scale.SMOKE: MIDDLE, Scale.QUICK: MIDDLE, Scale.PAPER: SMALL}
EPOCHS: Final = {0.1: 165, 0.003: 1_320, 0.0001: 2_400}  # of the paper
DEPTHS: Final = {Scale.SMOKE: 8, Scale.QUICK: 20, Scale.PAPER: DEPTH}
TESTED: Final = {Scale.SMOKE: 50, Scale.QUICK: 1_000, Scale.PAPER: 10_000}
LOOKS: Final = {Scale.SMOKE: 2, Scale.QUICK: 10, Scale.PAPER: 30}  # at a run, after the first
SIZES: Final = {
    Scale.SMOKE: Size(batch=16, seeds=2, updates=4, images=200),
    Scale.QUICK: Size(batch=32, seeds=3, updates=800, images=1_000),
    Scale.PAPER: Size(batch=128, seeds=5, updates=165 * (50_000 // 128), images=None),
}
PROVENANCE: Final[Mapping[str, str]] = {
    "architecture": "ResNet-110, at quick ResNet-20, at smoke ResNet-8",
    **NETWORKS,
}
Row = NDArray[np.float64]


def train(trial: Trial, net: str, *, seed: int | None = None, data: Data | None = None) -> Trained:
    """Train one of the four networks, or read the run if it is done."""
    norm: Norm = "none" if net == WITHOUT else "batch"
    rate = RATES[WITHOUT_AS[trial.scale] if net == WITHOUT else net]
    steps = trial.size.updates
    if trial.scale is Scale.PAPER:
        steps = steps * EPOCHS[rate] // EPOCHS[0.1]
    return resnet(
        trial,
        DEPTHS[trial.scale],
        norm,
        rate,
        seed=seed,
        data=data,
        steps=steps,
        schedule="step",
        every=steps // LOOKS[trial.scale],
        tested=TESTED[trial.scale],
    )


def curves(trial: Trial) -> Mapping[str, Mapping[str, Any]]:
    """Train and test accuracy of all four networks in the course of their training."""
    return {net: curve(train(trial, net)) for net in (*RATES, WITHOUT)}


def curve(found: Trained) -> Mapping[str, Any]:
    """Accuracies against the share of the training; a run that diverged stays where it was."""
    training_config = found.training_config
    count = training_config.steps // training_config.every + 1
    rows: dict[str, Any] = {
        "rate": training_config.rate,
        "share": np.arange(count) * training_config.every / training_config.steps,
    }
    for name in ("train accuracy", "test accuracy"):
        values = found.column(name)[:count]
        rows[name] = np.concatenate([values, np.full(count - len(values), values[-1])])
        rows[f"final {name}"] = rows[name][-1]
    return rows


def draw_courses(fig: Figure, evidence: Evidence, control: str, title: str) -> None:
    """Draw train and test accuracy against the share of the training, as S3's figure 1."""
    labels = {net: f"with BN, rate {rate:g}" for net, rate in RATES.items()}
    labels[WITHOUT] = f"without BN, rate {evidence.series[WITHOUT]['rate'][0]:g}"
    labels[CONTROL] = f"{control} (control)"
    for axes, name in zip(
        fig.subplots(1, 2, sharey=True), ("train accuracy", "test accuracy"), strict=True
    ):
        for net, label in labels.items():
            series = evidence.series[net]
            median_band(axes, net, series["share"][0], series[name], label, slice(None))
        axes.set_xlabel("share of the training")
        axes.set_title(name, fontsize="medium")
    axes.figure.axes[0].set_ylabel("accuracy (chance 0.1)")
    legend_below(fig, axes, title="median and range of seeds")
    fig.suptitle(title, fontsize="medium")


def finals(evidence: Evidence) -> Mapping[str, str]:
    """The median final test accuracy of every network in percent."""
    return {
        net: f"{100 * np.median(rows['final test accuracy']):.0f} %"
        for net, rows in evidence.series.items()
    }


def gap_at(train_accuracy: Row, test_accuracy: Row, level: float) -> float:
    """Train less test accuracy where a course first reaches a training accuracy of `level`.

    Between two looks both accuracies are taken to be straight lines.

    Raises
    ------
    ValueError
        If the course does not reach it.
    """
    reached = np.flatnonzero(train_accuracy >= level)
    if not len(reached):
        raise ValueError(f"level {level}: the training accuracy reaches {train_accuracy.max()}")
    place = int(reached[0])
    if place == 0:
        return float(level - test_accuracy[0])
    around = slice(place - 1, place + 1)
    return float(level - np.interp(level, train_accuracy[around], test_accuracy[around]))
