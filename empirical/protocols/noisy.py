"""Training with noise that is redrawn at every step, with and without BN before it.

Given in A18, section 2.1 and appendix A: VGG on CIFAR-10, plain SGD, the noise of
`bnproof.empirical.networks.table.Noise`. Our choices: those of `bnproof.empirical.protocols.vgg`,
the length of the quick run, and that accuracies are those of the network as trained, with batch
statistics of 1,000 images at a time and with noise, drawn once for each thousand. Evaluation mode
omits the noise, with which BN's running statistics were collected.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from bnproof.empirical.experiment import WITH, WITHOUT
from bnproof.empirical.figures.panels import Curves
from bnproof.empirical.figures.plot import Medians
from bnproof.empirical.networks.table import NoiseOf, Norm
from bnproof.empirical.protocols.curves import Steps, moments, rows, spread
from bnproof.empirical.protocols.vgg import RATE, TESTED, vgg_at
from bnproof.empirical.training.tasks import Data
from bnproof.empirical.trial import Size, Trained, Trial
from bnproof.theory.claim import Scale

NOISY: Final = "noisy BN"
NOISY_LAYER: Final = "noisy BN, per layer"
NOISE: Final = "noise without BN"
ARMS: Final[Mapping[str, tuple[Norm, NoiseOf | None]]] = {
    WITH: ("batch", None),
    WITHOUT: ("none", None),
    NOISY: ("noisy", "place"),
    NOISY_LAYER: ("noisy", "layer"),
    NOISE: ("noise", "place"),
}
LOSS_LIMIT: Final = 1e3  # the limit of a configuration; replaces the loss of a run that diverged
CHANCE: Final = 0.1  # accuracy for ten classes; replaces the accuracy of a run that diverged
LAST: Final = 3  # evaluations averaged for the accuracy at the end
LOST: Final = "accuracy lost to the noise"
GAINED: Final = "accuracy over that without BN"

SIZES: Final[Mapping[Scale, Size]] = {
    Scale.SMOKE: Size(batch=16, seeds=2, updates=4, images=200),
    Scale.QUICK: Size(batch=128, seeds=5, updates=600, images=None),
    Scale.LONG: Size(batch=128, seeds=3, updates=15_000, images=None),
    Scale.PAPER: Size(batch=128, seeds=5, updates=15_000, images=None),
}
DIGITS: Final[Mapping[Scale, Size]] = {
    Scale.SMOKE: Size(batch=16, seeds=2, updates=4, images=10),
    Scale.QUICK: Size(batch=128, seeds=5, updates=300, images=10),
    Scale.LONG: Size(batch=128, seeds=5, updates=3_000, images=10),
    Scale.PAPER: Size(batch=128, seeds=5, updates=3_000, images=10),
}
EVALUATIONS: Final = 12  # of a run, after the first


def noisy(trial: Trial, arm: str, *, data: Data | None = None) -> Trained:
    """Train one of `ARMS`, or load the run if it is done.

    `data` replaces the images of `trial`.

    Raises
    ------
    bnproof.empirical.trial.MissingError
        As `Trial.train`.
    """
    norm, noise = ARMS[arm]
    return trial.train(
        vgg_at(trial.scale) | {"norm": norm} | ({"noise": noise} if noise else {}),
        rate=RATE,
        data=data,
        momentum=0.0,
        decay=0.0,
        every=max(trial.size.updates // EVALUATIONS, 1),
        tested=TESTED[trial.scale],
        metrics=("as trained",),
    )


def performance(runs: Mapping[str, Trained]) -> dict[str, dict[str, Any]]:
    """Loss and accuracy of all networks through training and at the end, and their differences.

    Raises
    ------
    KeyError
        If the networks with and without BN are not among them.
    """
    steps = spread(moments(runs[WITH]))
    measured = {net: _course(run, steps) for net, run in runs.items()}
    name = "accuracy at the end"
    for rows_of in measured.values():
        rows_of[LOST] = measured[WITH][name] - rows_of[name]
        rows_of[GAINED] = rows_of[name] - measured[WITHOUT][name]
    return measured


def _course(run: Trained, steps: Steps) -> dict[str, Any]:
    every = moments(run)
    accuracy = np.nan_to_num(rows(run, every, "as trained", "test accuracy"), nan=CHANCE)
    quiet = np.nan_to_num(rows(run, every, "test accuracy"), nan=CHANCE)
    seen = {row["step"]: row["loss"] for row in run.curve}
    losses = (seen.get(int(step)) for step in every[1:])  # missing after a divergence
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
