"""Weights out of channels with a large mean have large gradients without BN (S3, section 4.1)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from bnproof.empirical.experiment import (
    CONTROL,
    NETS,
    WITH,
    WITHOUT,
    Criterion,
    Experiment,
    Measured,
)
from bnproof.empirical.metrics.table import Kernel, kernel_gradients, rank_correlation, shuffled
from bnproof.empirical.plots import STYLES
from bnproof.empirical.trial import Trial
from bnproof.theory.claim import Claim, Evidence, Verdict
from bnproof.theory.sources import Source

LAYERS = (18, 45, 54, 90)  # of figure 7 and, beside it, of Table 1
LAYER = 45


def run(trial: Trial) -> Measured:
    """Correlate channel means and gradients; the control pairs them at random."""
    with_bn, without = (
        kernel_gradients(trial.network(norm), trial.inputs, trial.labels, LAYERS)
        for norm in ("batch", "none")
    )
    order = trial.stream("channels")
    return {
        WITH: _correlations(with_bn),
        WITHOUT: _correlations(without),
        CONTROL: _correlations(without, order),
    }


def _correlations(
    kernels: Mapping[int, Kernel], order: torch.Generator | None = None
) -> Mapping[str, Any]:
    found, left, pairs = {}, {}, {}
    for layer, kernel in kernels.items():
        means = kernel.given.abs()
        sizes = kernel.sizes.mean(dim=0) / 9  # over the output channels and the 3x3 positions
        if order is not None:
            means = shuffled(means, order)
        found[layer] = rank_correlation(means, sizes)
        left[layer] = (kernel.centred.norm() / kernel.gradient.norm()).item()
        pairs[layer] = torch.stack([means / means.mean(), sizes / sizes.mean()])
    return {
        "rank correlation": [found[layer] for layer in LAYERS],
        f"rank correlation at layer {LAYER}": found[LAYER],
        "gradient left without the means": [left[layer] for layer in LAYERS],
        "channels": pairs[LAYER].numpy(),
    }


def draw(fig: Figure, evidence: Evidence) -> str:
    """Draw gradient against mean, one point a channel of one seed, for each network."""
    found = {net: np.median(evidence.series[net]["rank correlation"], axis=0) for net in NETS}
    here = {net: found[net][LAYERS.index(LAYER)] for net in NETS}
    names = {WITHOUT: WITHOUT, WITH: WITH, CONTROL: "control: paired at random"}
    typical = np.abs(evidence.series[WITHOUT]["rank correlation"] - found[WITHOUT])
    seed = int(np.argmin(typical[:, LAYERS.index(LAYER)]))
    panels = fig.subplots(1, 3, sharex=True, sharey=True)
    for axes, net in zip(panels, names, strict=True):
        means, sizes = evidence.series[net]["channels"][seed]
        axes.plot(
            means,
            sizes,
            linestyle="none",
            marker=STYLES[net]["marker"],
            color=STYLES[net]["color"],
            markersize=3,
            alpha=0.7,
        )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(f"{names[net]}\nmedian correlation {here[net]:z.2f}", fontsize="small")
        axes.set_xlabel("channel's mean over average", fontsize="small")
    panels[0].set_ylabel("gradient out of it over average (one seed)")
    fig.suptitle(
        f"Layer {LAYER}: rank correlation of mean and gradient {here[WITHOUT]:z.2f} without BN, "
        f"{here[WITH]:z.2f} with BN"
    )
    rows = {net: ", ".join(f"{value:z.2f}" for value in found[net]) for net in NETS}
    return (
        f"Gradient of the weights out of a channel against the channel's mean at layer {LAYER}, "
        f"one seed, logarithmic. Median rank correlation at layers {', '.join(map(str, LAYERS))}: "
        f"{rows[WITHOUT]} without BN, {rows[WITH]} with BN, {rows[CONTROL]} in the control."
    )


CLAIM = Claim(
    id="bjorck_channel_mean_gradient",
    title=(
        "At initialisation and without batch normalisation, weights out of channels with a large "
        "mean have large gradients."
    ),
    sources=(Source("S3", "section 4.1"),),
    statement=(
        r"\begin{array}{l}"
        r"\text{Since some channels have large means, we expect in light of (4) that weights} \\"
        r"\text{outgoing from such channels would have large gradients which would explain} \\"
        r"\text{the structure in Figure 7. This is indeed the case}"
        r"\end{array}"
    ),
    checks=(
        Experiment(
            run=run,
            criteria=(
                # "Would explain the structure": half of the variance of the ranks.
                Criterion(
                    net=WITHOUT,
                    quantity=f"rank correlation at layer {LAYER}",
                    at_least=0.5**0.5,
                    words="rank correlation of mean and gradient without BN",
                ),
            ),
            control="without BN, means and gradients of the channels paired at random",
            draw=draw,
            positions={"layer": LAYERS},
            plot_only=frozenset({"channels"}),
        ),
    ),
    expected=Verdict.REPRODUCED,
    remark=(
        "The numbers are in an appendix of the online version; the print has none. Ours: Spearman "
        "correlation, over the input channels of one convolution, of the absolute mean over "
        "(b, x, y) and the average absolute gradient of the weights out of the channel; layer 45 "
        "decides, as in figure 7, and those of Table 1 stand beside it. A correlation does not "
        "show a cause: without BN a channel's deviation is as well correlated with both. What "
        "shows it is 'gradient left without the means': the length of (4) with the means taken "
        "off the input, over its length. Without BN a fifth is left at layer 45, so the means "
        "make the gradient; with BN almost all, and the correlation at layer 45 is absent (at "
        "layers 18, 54 and 90 it is 0.2 to 0.4 on CIFAR-10)."
    ),
)
