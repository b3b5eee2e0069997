"""Without shortcuts BN makes gradients explode at initialisation (against S2)."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from bnproof.empirical.experiment import (
    CONTROL,
    SECOND,
    WITH,
    WITHOUT,
    Control,
    Experiment,
    Fixed,
    Measured,
)
from bnproof.empirical.figures.panels import Curves
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.figures.style import rounded
from bnproof.empirical.networks.dense import WIDTH
from bnproof.empirical.protocols.gradient_growth import PER_LAYER, SQUARES, bounded, gradient_growth
from bnproof.empirical.setting import OWN, Setting
from bnproof.empirical.trial import Trial
from bnproof.theory.claim import Claim, Verdict

LAYERS = 50  # hidden layers
INNER = tuple(range(2, LAYERS + 1))  # those with square, hence comparable, weights
LARGE: Final = math.pi / (
    math.pi - 1
)  # per layer, squared gradient; ReLU, large batch (arXiv:1902.08129)


def run(trial: Trial) -> Measured:
    """Measure the growth of the gradient from the last hidden layer to the second."""
    return {
        WITH: _growth(trial),
        WITHOUT: _growth(trial, norm="none"),
        CONTROL: _growth(trial, shortcuts=True),
        SECOND: _growth(trial, norm="none", nonlinearity="sigmoid"),
    }


def _growth(trial: Trial, **options: Any) -> Mapping[str, Any]:
    row = gradient_growth(trial, LAYERS, **options)
    return {**row, "growth": row[SQUARES][0]}


@declared
def draw(m: Medians) -> Plot:
    """Squared length of the gradient against the layer, logarithmic."""
    total = {net: rounded(m[net, "growth"]) for net in m.series}
    return Plot(
        panels=[
            Curves(
                x=INNER,
                y=SQUARES,
                lines={WITH: WITH, WITHOUT: WITHOUT, CONTROL: "with BN and shortcuts (control)"},
                guides={
                    f"theory, large batch: {LARGE:.3f} per layer": LARGE
                    ** (LAYERS - np.array(INNER))
                },
                xlabel=f"hidden layer (2 to {LAYERS})",
                ylabel="squared gradient / that of the last layer",
                yscale="log",
            )
        ],
        title=(
            f"Squared gradients grow {m[WITH, PER_LAYER]:.2f}-fold per layer on the way back with "
            f"BN, {m[WITHOUT, PER_LAYER]:.2f}-fold without"
        ),
        text=(
            f"Squared length of the weights' gradient through {LAYERS} fully connected layers, "
            f"logarithmic: from the last to the second it grows {total[WITH]}-fold with BN, "
            f"{total[WITHOUT]}-fold without, {total[CONTROL]}-fold in the control with BN and "
            "shortcuts."
        ),
    )


CLAIM = Claim(
    id="notes_vanishing",
    title=(
        "Batch normalisation avoids exploding and vanishing gradients (here: at initialisation, "
        "in a deep network without shortcuts)."
    ),
    checks=(
        Experiment(
            run=run,
            # Neither explodes nor vanishes: over 50 layers the length of the gradient changes by at
            # most one order of magnitude.
            criteria=bounded(LAYERS, "growth per layer of the squared gradient with BN"),
            fixed=Fixed("2026-11-30", "cdaa64c4e10f"),
            controls=(
                Control(
                    "with BN, every hidden layer adds its input to its output",
                    passes=True,
                    made_of=WITH,
                ),
                Control(
                    "without BN, sigmoids, whose derivative is at most 1/4",
                    passes=False,
                    made_of=WITH,
                    net=SECOND,
                ),
            ),
            draw=draw,
            positions={"layer": INNER},
            networks={
                "architecture": (
                    f"{LAYERS} fully connected layers of {WIDTH} ReLU units at initialisation, "
                    "without shortcuts, batch statistics"
                ),
                "initialisation": "He normal",
            },
            setting=Setting(deviations=(OWN,)),
        ),
    ),
    expected=Verdict.NOT_REPRODUCED,
    remark=(
        "The notes repeat a common claim about BN. At initialisation the opposite holds in a deep "
        "network without shortcuts. From Yang et al. (2019, arXiv:1902.08129): squared gradients "
        "grow by pi/(pi - 1) = 1.467 per layer in the backward pass (ReLU, wide layers, large "
        "batch; faster in smaller batches); ReLU halves the squared gradient, but BN divides by "
        "the variance of the ReLU's output over the batch, (pi - 1)/(2 pi) for a standard normal "
        "input, which is less than its mean square, 1/2, because the mean is subtracted. Our "
        "measurements agree; without BN, from He's initialisation, gradients stay about level. "
        "With shortcuts, as in the residual networks of S3, gradients grow only as a power of the "
        "depth, as the positive control shows. Whether they explode in training is not measured "
        "here. What BN does prevent is an explosion due to large weights: its output does not "
        "depend on their scale. Our choices: depth, width, the threshold, hundredfold over the "
        "depth, images as input. The threshold first applied to the two outermost layers; in small "
        "batches the positive control fails that with some seeds, so it now applies to the line "
        "fitted to the logarithms of all layers. The verdict was the same for six seeds, four of "
        "them new."
    ),
)
