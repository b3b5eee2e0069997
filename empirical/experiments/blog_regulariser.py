"""Whether BN makes the gap between training and test smaller at equal training loss (S2, S4)."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from empirical.experiment import (
    CONTROL,
    WITH,
    WITHOUT,
    Criterion,
    Experiment,
    Measured,
)
from empirical.pictures import median_band
from empirical.trial import Size, Trained, Trial
from theory.claim import Claim, Evidence, Scale, Verdict
from theory.sources import Source

RATE: Final = 0.01  # of all networks: BN must not win by a rate of its own
LARGER: Final = 0.1
WIDTH: Final = {Scale.SMOKE: 2, Scale.QUICK: 8, Scale.PAPER: 32}
EVALUATIONS: Final = 40
LEVELS: Final = (1.0, 0.5, 0.2)  # training loss
OVER: Final = "gap over that without BN, at equal training loss"
FASTER, AUGMENTED = "with BN, tenfold rate", "without BN, augmented"

SIZES: Final = {
    Scale.SMOKE: Size(batch=16, seeds=2, updates=8, images=100),
    Scale.QUICK: Size(batch=128, seeds=3, updates=400, images=1_000),
    Scale.PAPER: Size(batch=128, seeds=5, updates=10_000, images=None),
}


def run(trial: Trial) -> Measured:
    """Train on few images, so that every network overfits."""
    runs = {
        WITH: _train(trial, norm="batch"),
        WITHOUT: _train(trial, norm="none"),
        CONTROL: _train(trial, norm="batch", data=trial.images.shuffled(trial.seed)),
        FASTER: _train(trial, norm="batch", rate=LARGER),
        AUGMENTED: _train(trial, norm="none", augment=True),
    }
    curves = {net: curve(trained) for net, trained in runs.items()}
    return {net: _row(own, curves[WITHOUT]) for net, own in curves.items()}


def _train(trial: Trial, *, norm: str, rate: float = RATE, **options: Any) -> Trained:
    network = {"family": "vgg", "norm": norm, "init": "kaiming", "width": WIDTH[trial.scale]}
    return trial.train(
        network,
        rate=rate,
        momentum=0.9,
        decay=0.0,
        every=max(1, trial.size.updates // EVALUATIONS),
        tested=1_000,
        **options,
    )


def curve(run: Trained) -> Mapping[str, NDArray[np.float64]]:
    """Training loss and gap of accuracies at every evaluation but the first and the last.

    A recorded loss is the mean since the evaluation before; the mean of those before and after an
    evaluation is that at it.
    """
    losses = run.column("loss")
    gaps = run.column("train accuracy") - run.column("test accuracy")
    return {"loss": (losses[1:-1] + losses[2:]) / 2, "gap": gaps[1:-1]}


def at_levels(found: Mapping[str, NDArray[np.float64]], levels: NDArray[np.float64]) -> Any:
    """The gap where the training loss first falls to each level, linear in its logarithm."""
    lowest = np.minimum.accumulate(found["loss"])
    fresh = np.flatnonzero(np.diff(lowest, prepend=np.inf) < 0)
    return np.interp(-np.log(levels), -np.log(lowest[fresh]), found["gap"][fresh])


def _row(
    own: Mapping[str, NDArray[np.float64]], bare: Mapping[str, NDArray[np.float64]]
) -> dict[str, Any]:
    # Where one of them does not come so far, the lowest loss that both have.
    common = max(own["loss"].min(), bare["loss"].min())
    levels = np.maximum(LEVELS, common)
    gaps, bare_gaps = at_levels(own, levels), at_levels(bare, levels)
    return {
        "training loss": own["loss"],
        "gap of accuracies": own["gap"],
        "levels of the training loss": levels,
        "gap at the levels": gaps,
        OVER: gaps / np.maximum(bare_gaps, 1e-3),
    }


def draw(fig: Figure, evidence: Evidence) -> str:
    """Draw the gap against the training loss, which falls to the right."""
    axes = fig.subplots()
    labels = {
        WITH: f"with BN, rate {RATE}",
        WITHOUT: f"without BN, rate {RATE}",
        FASTER: f"with BN, rate {LARGER}",
        AUGMENTED: "without BN, augmented",
        CONTROL: "with BN, shuffled labels (control)",
    }
    grid = np.geomspace(2.0, 0.1, 14)
    for net, label in labels.items():
        series = evidence.series[net]
        seeds = [
            at_levels({"loss": loss, "gap": gap}, np.maximum(grid, loss.min()))
            for loss, gap in zip(series["training loss"], series["gap of accuracies"], strict=True)
        ]
        reached = grid >= np.median(series["training loss"].min(axis=1))
        shown = np.array(seeds)[:, reached]
        median_band(axes, net, grid[reached], shown, label, slice(None, None, 3))
    axes.set_xscale("log")
    axes.set_xlim(2.2, 0.09)
    axes.set_xlabel("training loss (falls to the right)")
    axes.set_ylabel("training less test accuracy")
    axes.legend(fontsize="small", title="median and range of seeds", title_fontsize="small")
    found = {net: np.median(evidence.series[net]["gap at the levels"], axis=0) for net in labels}
    axes.set_title(
        f"At a training loss of {LEVELS[-1]} the gap is {found[WITH][-1]:.2f} with BN, "
        f"{found[WITHOUT][-1]:.2f} without"
    )
    words = ", ".join(f"{row[-1]:.2f} {labels[net]}" for net, row in found.items())
    return (
        "Training less test accuracy against the training loss; at the lowest level, "
        f"{LEVELS[-1]} or the lowest that both reach: {words}; medians over seeds."
    )


CLAIM = Claim(
    id="blog_regulariser",
    title="Batch normalisation regularises: a smaller train-test gap at equal training loss.",
    sources=(
        Source("S4", "opening list, third point"),
        Source("S2", "'What is batch normalization?'"),
    ),
    statement=(
        r"\begin{array}{l}"
        r"\text{It even acts as a regularizer and reduces the need to use other} \\"
        r"\text{regularization techniques.}"
        r"\end{array}"
    ),
    means=(
        Experiment(
            run=run,
            criteria=(
                # "Smaller", by more than the noise of a thousand test images.
                Criterion(
                    net=WITH,
                    quantity=OVER,
                    at_most=0.95,
                    words=(
                        "gap with BN over gap without, at training losses of "
                        + ", ".join(map(str, LEVELS))
                    ),
                ),
            ),
            control="with BN, the labels shuffled",
            draw=draw,
            made_of=WITH,
            networks={
                "architecture": (
                    "VGG-A for 32x32 images, 11 layers, first convolution of 8 channels (quick)"
                ),
                "initialisation": "He normal",
                "learning rate": str(RATE),
            },
            sizes=SIZES,
        ),
    ),
    expected=Verdict.REPRODUCED,
    remark="",
)
