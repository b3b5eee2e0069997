"""Orthogonal weights prevent exploding gradients with BN in linear networks (2310.02012)."""

from collections.abc import Mapping
from typing import Any, Final

import torch

from bnproof.empirical.experiment import (
    CONTROL,
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
from bnproof.empirical.protocols.gradient_growth import PER_LAYER, SQUARES, bounded, gradient_growth
from bnproof.empirical.trial import Size, Trial
from bnproof.theory.claim import Claim, Scale, Verdict
from bnproof.theory.sources import Source

LAYERS: Final = 200  # hidden layers
INNER: Final = range(2, LAYERS + 1)  # those with square weights
SHOWN: Final = slice(None, None, 6)  # of the inner layers, including the last
RELU, WIDER = "with BN, ReLU", "with BN, wider"

SIZES: Final = {
    Scale.SMOKE: Size(batch=16, seeds=2),
    Scale.QUICK: Size(batch=32, seeds=5),
    Scale.LONG: Size(batch=32, seeds=10),
    Scale.PAPER: Size(batch=32, seeds=10),
}


def run(trial: Trial) -> Measured:
    """Measure the growth of the gradient; all but one network have a centred batch of full rank."""
    full = trial.size.batch - 1  # BN subtracts the mean and thus removes a dimension
    return {
        WITH: _growth(trial, width=full),
        WITHOUT: _growth(trial, width=full, norm="none"),
        CONTROL: _growth(trial, width=full, init="kaiming"),
        RELU: _growth(trial, width=full, nonlinearity="relu"),
        WIDER: _growth(trial, width=2 * trial.size.batch),
    }


def _growth(trial: Trial, **options: Any) -> Mapping[str, Any]:
    chosen = {"init": "orthogonal", "nonlinearity": "none"} | options
    row = gradient_growth(trial, LAYERS, dtype=torch.float64, **chosen)
    return {SQUARES: row[SQUARES][SHOWN], PER_LAYER: row[PER_LAYER]}


@declared
def draw(m: Medians) -> Plot:
    """Squared length of the gradient against the layer, logarithmic."""
    labels = {
        WITH: "BN, orthogonal",
        WITHOUT: "no BN, orthogonal",
        CONTROL: "BN, Gaussian (control)",
        RELU: "BN, orthogonal, ReLU",
        WIDER: "BN, orthogonal, twice as wide",
    }
    factor = {net: m[net, PER_LAYER] for net in labels}
    total = {net: rounded(factor[net] ** (LAYERS - 2)) for net in labels}
    return Plot(
        panels=[
            Curves(
                x=INNER[SHOWN],
                y=SQUARES,
                lines={net: f"{label}: {factor[net]:.3f}" for net, label in labels.items()},
                xlabel=f"hidden layer (2 to {LAYERS}); weights orthogonal except in the control",
                ylabel="squared gradient / that of the last layer",
                yscale="log",
                ylim=(1e-2, 1e13),
            )
        ],
        legend_title="growth per layer; median and range of seeds",
        title=(
            f"Linear layers, BN: squared gradients grow {factor[CONTROL]:.3f}-fold per layer with "
            f"Gaussian weights,\n{factor[WITH]:.3f}-fold with orthogonal ones"
        ),
        text=(
            f"Squared gradients of the weights through {LAYERS} linear layers on a logarithmic "
            f"axis up to 10^13: with BN their fitted growth is {total[WITH]}-fold with orthogonal "
            f"weights, {total[CONTROL]}-fold with Gaussian ones, {total[WIDER]}-fold with "
            f"orthogonal ones twice as wide as the batch; without BN {total[WITHOUT]}-fold. With "
            f"ReLU between the layers it is {factor[RELU]:.2f}-fold per layer."
        ),
    )


CLAIM = Claim(
    id="meterez_orthogonal",
    title=(
        "With orthogonal weights and linear activations a batch-normalised network has bounded "
        "gradients at any depth."
    ),
    sources=(Source("derived", "Meterez et al. (2023), arXiv:2310.02012, abstract"),),
    checks=(
        Experiment(
            run=run,
            # The threshold of notes_vanishing: hundredfold over the depth.
            criteria=bounded(
                LAYERS, "growth per layer of the squared gradient, BN and orthogonal weights"
            ),
            fixed=Fixed("2026-11-30", "cdaa64c4e10f"),
            controls=(
                Control("with BN, Gaussian weights", passes=False, made_of=WITH),
                Control(
                    "without BN: orthogonal maps keep the length of the gradient",
                    passes=True,
                    made_of=WITH,
                    net=WITHOUT,
                ),
            ),
            draw=draw,
            positions={"layer": INNER[SHOWN]},
            networks={
                "architecture": (
                    f"{LAYERS} fully connected linear layers as wide as the batch less 1, at "
                    "initialisation, batch statistics, float64"
                ),
                "initialisation": "orthogonal; in the control normal",
            },
            sizes=SIZES,
        ),
    ),
    expected=Verdict.REPRODUCED,
    remark=(
        "From the source: linear activations, random orthogonal weights, as many linearly "
        "independent samples as units, BN that does not subtract the mean. Our choices: images, "
        f"{LAYERS} layers, cross-entropy, and PyTorch's BN, which does; this shifts the condition "
        "by one: the centred batch has one dimension less, so a network must not be wider than the "
        "batch size minus 1. At that width the growth stops after some layers; at twice the batch "
        "size gradients explode again ('with BN, wider'). With Gaussian weights they explode "
        "although every layer is linear. From Yang et al. (2019, arXiv:1902.08129): in wide "
        "networks the squared gradient then grows by (m - 2)/(m - 3) per layer at batch size m, "
        "which at m = 128 is hardly visible over a hundred layers, hence the small batches here. "
        "Orthogonal weights do not help if the layers are not linear: with ReLU the squared "
        "gradient grows as with Gaussian weights, see notes_vanishing. The source shapes its "
        "non-linear activations to be nearly linear in deep layers, which is not tested here. "
        "Without BN, orthogonal linear layers preserve the length of every gradient exactly. Five "
        "seeds left the negative control open; the twenty published since are others, so that none "
        "of them had been looked at."
    ),
)
