"""Without shortcuts BN makes gradients explode at initialisation (against S2)."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.nn import functional

from bnproof.empirical.experiment import (
    CONTROL,
    NETS,
    WITH,
    WITHOUT,
    Criterion,
    Experiment,
    Measured,
)
from bnproof.empirical.metrics.table import growth
from bnproof.empirical.networks.dense import WIDTH, dense
from bnproof.empirical.networks.undisturbed import undisturbed
from bnproof.empirical.plots import median_band, rounded
from bnproof.empirical.trial import Trial
from bnproof.theory.claim import Claim, Evidence, Verdict
from bnproof.theory.sources import Source

LAYERS = 50  # hidden layers
INNER = tuple(range(2, LAYERS + 1))  # those with square weights, comparable with each other
LEVEL: Final = 100.0 ** (1 / (len(INNER) - 1))  # a layer: hundredfold from the last to the second
LARGE: Final = math.pi / (math.pi - 1)  # a layer, squared; ReLU, large batch (arXiv:1902.08129)


def run(trial: Trial) -> Measured:
    """Measure the gradient's growth from the last hidden layer to the second."""
    return {
        WITH: _growth(trial),
        WITHOUT: _growth(trial, norm="none"),
        CONTROL: _growth(trial, shortcuts=True),
    }


def _growth(trial: Trial, **options: Any) -> Mapping[str, Any]:
    net = dense(LAYERS, generator=trial.stream("dense"), **options).to(trial.device)
    weights = [layer.get_parameter("weight") for layer in net.layers]
    with undisturbed(net), torch.enable_grad():
        loss = functional.cross_entropy(net(trial.inputs), trial.labels)
        gradients = torch.autograd.grad(loss, weights)
    squares = np.array([gradient.double().square().sum().item() for gradient in gradients[1:]])
    return {
        "squared gradient over the last": squares / squares[-1],
        "growth": squares[0] / squares[-1],
        "growth a layer": growth(squares[::-1]).factor ** (1 / (len(squares) - 1)),
    }


def draw(fig: Figure, evidence: Evidence) -> str:
    """Draw the squared length of the gradient against the layer, logarithmic."""
    axes = fig.subplots()
    labels = {WITH: WITH, WITHOUT: WITHOUT, CONTROL: "with BN and shortcuts (control)"}
    layers = np.array(INNER)
    shown = {WITH: slice(0, None, 8), WITHOUT: slice(3, None, 8), CONTROL: slice(6, None, 8)}
    for net in NETS:
        squares = evidence.series[net]["squared gradient over the last"]
        median_band(axes, net, layers, squares, labels[net], shown[net])
    axes.plot(
        layers,
        LARGE ** (LAYERS - layers),
        color="black",
        linewidth=0.8,
        label=f"theory, large batch: {LARGE:.3f} a layer",
    )
    axes.set_yscale("log")
    axes.set_xlabel(f"hidden layer (2 to {LAYERS})")
    axes.set_ylabel("squared gradient over the last layer's")
    axes.legend(fontsize="small", title="median and range of seeds", title_fontsize="small")
    found = {net: np.median(evidence.series[net]["growth"]) for net in NETS}
    a_layer = {net: np.median(evidence.series[net]["growth a layer"]) for net in NETS}
    axes.set_title(
        f"Squared gradients grow {a_layer[WITH]:.2f}-fold a layer on the way back with BN, "
        f"{a_layer[WITHOUT]:.2f}-fold without",
        fontsize="medium",
    )
    return (
        f"Squared length of the weights' gradient through {LAYERS} fully connected layers, "
        f"logarithmic: from the last to the second it grows {rounded(found[WITH])}-fold with BN, "
        f"{rounded(found[WITHOUT])}-fold without, {rounded(found[CONTROL])}-fold in the control "
        "with BN and shortcuts."
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
            criteria=(
                # Neither explodes nor vanishes: over 50 layers the length of the gradient changes
                # by no more than one order of magnitude, its square by no more than two.
                Criterion(
                    net=WITH,
                    quantity="growth a layer",
                    at_most=LEVEL,
                    words="growth a layer of the squared gradient with BN",
                ),
                Criterion(
                    net=WITH,
                    quantity="growth a layer",
                    at_least=1 / LEVEL,
                    words="the same against vanishing",
                ),
            ),
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
