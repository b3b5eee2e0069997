"""Training under noise that is redrawn at every step, with BN before it and without.

Found in A18, section 2.1 and appendix A: VGG on CIFAR-10, plain SGD, the noise of
`bnproof.empirical.networks.table.Noise`. Ours: what `bnproof.empirical.protocols.vgg` has, how long
the quick run is, and that accuracies are those of the network as it is trained: with statistics of
the images at hand, 1,000 at a time, and the noise on, one draw a thousand. Evaluation mode leaves
the noise out, for which BN's running statistics are the wrong ones.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from bnproof.empirical.experiment import WITH, WITHOUT
from bnproof.empirical.figures.panels import Curves
from bnproof.empirical.figures.plot import Medians
from bnproof.empirical.networks.table import NoiseOf, Norm
from bnproof.empirical.protocols.curves import Steps, moments, rows, spread
from bnproof.empirical.protocols.vgg import RATE, TESTED, WIDTH
from bnproof.empirical.training.tasks import Data
from bnproof.empirical.trial import Size, Trained, Trial
from bnproof.theory.claim import Scale

NOISY: Final = "noisy BN, per unit"
NOISY_LAYER: Final = "noisy BN, per layer"
NOISE: Final = "noise without BN"
ARMS: Final[Mapping[str, tuple[Norm, NoiseOf | None]]] = {
    WITH: ("batch", None),
    WITHOUT: ("none", None),
    NOISY: ("noisy", "unit"),
    NOISY_LAYER: ("noisy", "layer"),
    NOISE: ("noise", "unit"),
}
LOSS_LIMIT: Final = 1e3  # of a recipe; stands for the loss of a run that diverged
CHANCE: Final = 0.1  # accuracy of ten classes; stands for the accuracy of a run that diverged
LAST: Final = 3  # evaluations that an accuracy at the end is the mean of
LOST: Final = "accuracy lost to the noise"
GAINED: Final = "accuracy over that without BN"

SIZES: Final[Mapping[Scale, Size]] = {
    Scale.SMOKE: Size(batch=16, seeds=2, updates=4, images=200),
    Scale.QUICK: Size(batch=128, seeds=3, updates=600, images=None),
    Scale.PAPER: Size(batch=128, seeds=5, updates=15_000, images=None),
}
DIGITS: Final[Mapping[Scale, Size]] = {
    Scale.SMOKE: Size(batch=16, seeds=2, updates=4, images=10),
    Scale.QUICK: Size(batch=128, seeds=3, updates=300, images=10),
    Scale.PAPER: Size(batch=128, seeds=5, updates=3_000, images=10),
}
EVALUATIONS: Final = 12  # of a run, after the first


def noisy(trial: Trial, arm: str, *, data: Data | None = None) -> Trained:
    """Train one of `ARMS`, or read the run if it is done.

    `data` are other images than those of `trial`.

    Raises
    ------
    bnproof.empirical.trial.MissingError
        As `Trial.train`.
    """
    norm, noise = ARMS[arm]
    network: dict[str, Any] = {"family": "vgg", "norm": norm, "width": WIDTH[trial.scale]}
    return trial.train(
        network | ({"noise": noise} if noise else {}),
        rate=RATE,
        data=data,
        momentum=0.0,
        decay=0.0,
        every=max(trial.size.updates // EVALUATIONS, 1),
        tested=TESTED[trial.scale],
        metrics=("as trained",),
    )


def performance(runs: Mapping[str, Trained]) -> dict[str, dict[str, Any]]:
    """Loss and accuracy of every network through training and at the end, and their differences.

    Raises
    ------
    KeyError
        If the networks with BN and without are not among them.
    """
    steps = spread(moments(runs[WITH]))
    found = {net: _course(run, steps) for net, run in runs.items()}
    name = "accuracy at the end"
    for rows_of in found.values():
        rows_of[LOST] = found[WITH][name] - rows_of[name]
        rows_of[GAINED] = rows_of[name] - found[WITHOUT][name]
    return found


def _course(found: Trained, steps: Steps) -> dict[str, Any]:
    every = moments(found)
    accuracy = np.nan_to_num(rows(found, every, "as trained", "test accuracy"), nan=CHANCE)
    quiet = np.nan_to_num(rows(found, every, "test accuracy"), nan=CHANCE)
    seen = {row["step"]: row["loss"] for row in found.curve}
    losses = (seen.get(int(step)) for step in every[1:])  # none after a divergence
    loss = np.array([LOSS_LIMIT if value is None else float(value) for value in losses])
    places = np.searchsorted(every, steps)
    return {
        "step": steps,
        "accuracy": accuracy[places],
        "accuracy in evaluation mode": quiet[places],
        "loss": np.concatenate([loss[:1], loss])[places],
        "accuracy at the end": accuracy[-LAST:].mean(),
        "best accuracy": accuracy.max(),
        "accuracy at the end, evaluation mode": quiet[-LAST:].mean(),
        "loss at the end": loss[-1],
    }


def panels(m: Medians, labels: Mapping[str, str]) -> list[Curves]:
    """Training loss and test accuracy of the networks in `labels` against updates."""
    return [
        Curves(
            x="step",
            y={net: np.minimum(m.series[net]["loss"], 3.0)[:, 1:] for net in labels},
            lines=labels,
            xlabel="updates",
            ylabel="mean training loss since the last evaluation",
        ),
        Curves(
            x="step",
            y="accuracy",
            lines=labels,
            xlabel="updates",
            ylabel="test accuracy, as trained",
            level=CHANCE,
        ),
    ]
