"""Without BN, gradients at initialisation are larger and have heavier tails (S3, figure 2)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bnproof.empirical.experiment import (
    CONTROL,
    SECOND,
    WITH,
    WITHOUT,
    Control,
    Criterion,
    Experiment,
    Fixed,
    Measured,
)
from bnproof.empirical.figures.panels import Histogram
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.figures.style import rounded
from bnproof.empirical.metrics.table import kernel_gradients, kurtosis
from bnproof.empirical.networks.table import ResNet
from bnproof.empirical.trial import Trial
from bnproof.theory.claim import Claim, Verdict

LAYER = 55  # "midpoint"
BINS = 61
LAPLACE = (
    6.0  # kurtosis of the Laplace distribution, whose tails are exponential; heavy tails exceed it
)
OVER = "scale over that with BN"
LARGE = 100.0  # factor of the gradient in the positive control
BULK = "median size over that with BN"
PRINTED = 100.0  # "almost two orders of magnitude"; the measure is not stated


def run(trial: Trial) -> Measured:
    """Measure the gradient of the kernel of layer 55 in the three networks."""
    with_bn = _gradient(trial, trial.network("batch"))
    rows = {
        WITH: _spread(with_bn),
        WITHOUT: _spread(_gradient(trial, trial.network("none"))),
        CONTROL: _spread(_gradient(trial, trial.network("none", init="torch"))),
        SECOND: _spread(LARGE * with_bn * with_bn.abs() / with_bn.std()),
    }
    reference = rows[WITH]
    return {
        net: {
            **row,
            OVER: row["scale"] / reference["scale"],
            BULK: row["median size"] / reference["median size"],
        }
        for net, row in rows.items()
    }


def _gradient(trial: Trial, net: ResNet) -> Tensor:
    return kernel_gradients(net, trial.inputs, trial.labels, [LAYER])[LAYER].gradient


def _spread(gradient: Tensor) -> Mapping[str, Any]:
    return {
        "scale": gradient.square().mean().sqrt().item(),
        "median size": gradient.abs().median().item(),
        "kurtosis": kurtosis(gradient),
        "deviation": gradient.std().item(),
        "largest size": (edge := gradient.abs().max().item()),
        "histogram": torch.histc(gradient, BINS, -edge, edge).numpy(),
    }


@declared
def draw(m: Medians) -> Plot:
    """Histograms of the gradient of a typical seed, in units of its standard deviation."""
    names = {WITH: WITH, WITHOUT: WITHOUT, CONTROL: "smaller weights (control)"}
    seed = m.typical_seed(WITHOUT, "kurtosis")
    chosen = {net: {name: row[seed] for name, row in m.series[net].items()} for net in names}
    over, bulk = rounded(m[WITHOUT, OVER]), rounded(m[WITHOUT, BULK])
    return Plot(
        panels=[
            Histogram(
                net=net,
                counts=chosen[net]["histogram"],
                edges=np.linspace(-1, 1, BINS + 1)
                * (chosen[net]["largest size"] / chosen[net]["deviation"]),
                title=(
                    f"{name}\nkurtosis {m[net, 'kurtosis']:.1f}, deviation "
                    f"{m[net, 'deviation']:.1e}"
                ),
                xlabel="gradient / standard deviation",
                ylabel="entries of the kernel (one seed)",
                yscale="log",
            )
            for net, name in names.items()
        ],
        sharey=True,
        title=(
            f"Layer {LAYER}: root mean square of the gradient {over} times as large without BN,\n"
            f"its median size {bulk} times (printed: almost {PRINTED:g} times)"
        ),
        text=(
            f"Histograms of the gradient's entries at layer {LAYER}, logarithmic counts, with the "
            f"normal density of the same deviation. Without BN the root mean square is {over} "
            f"times that with BN, the median size {bulk} times (printed: almost {PRINTED:g}), the "
            f"kurtosis {m[WITHOUT, 'kurtosis']:.1f} (with BN {m[WITH, 'kurtosis']:.1f}); in the "
            f"control {rounded(m[CONTROL, OVER])} times and {m[CONTROL, 'kurtosis']:.1f}; medians."
        ),
    )


CLAIM = Claim(
    id="bjorck_fig2",
    title=(
        "At initialisation gradients are larger and have heavier tails without batch normalisation."
    ),
    checks=(
        Experiment(
            run=run,
            criteria=(
                # "Almost two orders of magnitude larger": rounded, at least two.
                Criterion(WITHOUT, OVER, "scale without BN / with BN", at_least=10**1.5),
                # "Heavy tails": heavier than exponential; "concentrated": not heavier.
                Criterion(WITHOUT, "kurtosis", "kurtosis without BN", at_least=LAPLACE),
                Criterion(WITH, "kurtosis", "kurtosis with BN", at_most=LAPLACE),
            ),
            fixed=Fixed("2026-11-30", "cdaa64c4e10f"),
            controls=(
                Control(
                    "without BN, all weights and biases from PyTorch's default law", passes=False
                ),
                Control(
                    f"with BN, entries g of the gradient replaced by {LARGE:g} g |g| / deviation",
                    passes=True,
                    net=SECOND,
                ),
            ),
            draw=draw,
            printed={WITHOUT: {OVER: PRINTED, BULK: PRINTED}},
            positions={"layer": (LAYER,)},
            plot_only=frozenset({"histogram"}),
        ),
    ),
    expected=Verdict.REPRODUCED,
    remark=(
        "From the source: ResNet-110, Xavier initialisation, batches of 128, layer 55; histograms "
        "and 'almost two orders of magnitude'. Our choices: projection shortcuts, uniform Xavier, "
        "mean cross-entropy; the scale is the root mean square of the kernel's entries, and must "
        "differ by at least one and a half orders of magnitude; tails are heavy if the kurtosis "
        "exceeds 6, that of the Laplace distribution. The factor depends on the measure, because "
        "the tails differ: the printed one fits the median absolute gradient, while the factor of "
        "the root mean square is larger. The criterion does not decide which of them is meant. The "
        "control with PyTorch's default weights separates size from tails: its gradients are "
        "smaller than with BN, but their tails are still heavy. So for these two initialisations "
        "heavy tails are due to the missing BN, while the size also depends on the weights."
    ),
)
