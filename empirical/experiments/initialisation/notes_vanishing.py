"""Without shortcuts BN makes gradients explode at initialisation (against S2)."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from bnproof.empirical.experiment import CONTROL, WITH, WITHOUT, Experiment, Measured
from bnproof.empirical.figures.panels import Curves
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.figures.style import rounded
from bnproof.empirical.networks.dense import WIDTH
from bnproof.empirical.protocols.gradient_growth import PER_LAYER, SQUARES, bounded, gradient_growth
from bnproof.empirical.trial import Trial
from bnproof.theory.claim import Claim, Verdict
from bnproof.theory.sources import Source

LAYERS = 50  # hidden layers
INNER = tuple(range(2, LAYERS + 1))  # those with square weights, comparable with each other
LARGE: Final = math.pi / (math.pi - 1)  # a layer, squared; ReLU, large batch (arXiv:1902.08129)


def run(trial: Trial) -> Measured:
    """Measure the gradient's growth from the last hidden layer to the second."""
    return {
        WITH: _growth(trial),
        WITHOUT: _growth(trial, norm="none"),
        CONTROL: _growth(trial, shortcuts=True),
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
    sources=(Source("S2", "'What is batch normalization?'"),),
    statement=(
        r"\text{BN stabilizes training, avoids the problem of exploding and vanishing gradients}"
    ),
    checks=(
        Experiment(
            run=run,
            # Neither explodes nor vanishes: over 50 layers the length of the gradient changes by at
            # most one order of magnitude.
            criteria=bounded(LAYERS, "growth per layer of the squared gradient with BN"),
            control="with BN, every hidden layer adds its input to its output",
            draw=draw,
            positions={"layer": INNER},
            made_of=WITH,
            networks={
                "architecture": (
                    f"{LAYERS} fully connected layers of {WIDTH} ReLU units at initialisation, "
                    "without shortcuts, batch statistics"
                ),
                "initialisation": "He normal",
            },
        ),
    ),
    expected=Verdict.NOT_REPRODUCED,
    remark=(
        "The notes restate what BN is said to do in general. At initialisation it is the other way "
        "round in a deep network without shortcuts: squared gradients grow by "
        "pi/(pi - 1) = 1.467 a layer on the way back (Yang et al. 2019, arXiv:1902.08129: ReLU, "
        "wide layers, large batch; faster in smaller batches), while the same network without BN "
        "and with He's weights keeps them level. The reason in one line: ReLU halves the squared "
        "gradient, but BN divides by the variance of the ReLU's output over the batch, "
        "(pi - 1)/(2 pi) for a unit normal, which is less than its mean square, 1/2, because the "
        "mean was taken off. With shortcuts the growth is that of a power of the depth, which "
        "the control shows; the residual networks of S3 have them. Whether they explode after "
        "training has begun is another question, and not measured here. What BN does avoid is an "
        "explosion that too large weights make: its output does not depend on their scale. Ours: "
        "depth, width, the threshold, images as input. The threshold, hundredfold over the depth, "
        "was at first on the two outermost layers; in batches of 16 the control misses that with "
        "some seeds, so it is now on the line through the logarithms of all layers. That gave the "
        "same verdict for six seeds, four of which had not been looked at."
    ),
)
