"""Without BN, outgoing weights of channels with large means have large gradients (S3, 4.1)."""

from collections.abc import Callable, Mapping
from typing import Any

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
from bnproof.empirical.figures.panels import Points
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.figures.style import listed
from bnproof.empirical.metrics.table import Kernel, kernel_gradients, rank_correlation, shuffled
from bnproof.empirical.trial import Trial
from bnproof.theory.claim import Claim, Verdict

LAYERS = (18, 45, 54, 90)  # of figure 7 and of Table 1
LAYER = 45
EVERYWHERE = "rank correlation"
HERE = f"rank correlation at layer {LAYER}"


def run(trial: Trial) -> Measured:
    """Correlate channel means with gradients; the controls pair them at random and by rank."""
    with_bn, without = (
        kernel_gradients(trial.network(norm), trial.inputs, trial.labels, LAYERS)
        for norm in ("batch", "none")
    )
    order = trial.stream("channels")
    return {
        WITH: _correlations(with_bn),
        WITHOUT: _correlations(without),
        CONTROL: _correlations(without, lambda means, sizes: (shuffled(means, order), sizes)),
        SECOND: _correlations(without, lambda means, sizes: (means.sort()[0], sizes.sort()[0])),
    }


def _correlations(
    kernels: Mapping[int, Kernel],
    paired: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = lambda means, sizes: (means, sizes),
) -> Mapping[str, Any]:
    correlations, left, pairs = {}, {}, {}
    for layer, kernel in kernels.items():
        means = kernel.given.abs()
        sizes = kernel.sizes.mean(dim=0) / 9  # over output channels and the 3x3 kernel positions
        means, sizes = paired(means, sizes)
        correlations[layer] = rank_correlation(means, sizes)
        left[layer] = (kernel.centred.norm() / kernel.gradient.norm()).item()
        pairs[layer] = torch.stack([means / means.mean(), sizes / sizes.mean()])
    return {
        EVERYWHERE: [correlations[layer] for layer in LAYERS],
        HERE: correlations[LAYER],
        "gradient left without the means": [left[layer] for layer in LAYERS],
        "channels": pairs[LAYER].numpy(),
    }


@declared
def draw(m: Medians) -> Plot:
    """Gradient against mean, one point for each channel of a typical seed."""
    names = {WITHOUT: WITHOUT, WITH: WITH, CONTROL: "control: paired at random"}
    seed = m.typical_seed(WITHOUT, HERE)
    rows = {net: listed(m[net, EVERYWHERE], "z.2f") for net in names}
    return Plot(
        panels=[
            Points(
                net=net,
                x=m.series[net]["channels"][seed][0],
                y=m.series[net]["channels"][seed][1],
                title=f"{name}\nmedian correlation {m[net, HERE]:z.2f}",
                xlabel="channel mean / average",
                ylabel="outgoing gradient / average (one seed)",
                xscale="log",
                yscale="log",
            )
            for net, name in names.items()
        ],
        sharex=True,
        sharey=True,
        title=(
            f"Layer {LAYER}: rank correlation of mean and gradient {m[WITHOUT, HERE]:z.2f} without "
            f"BN, {m[WITH, HERE]:z.2f} with BN"
        ),
        text=(
            "Gradient of a channel's outgoing weights against the channel's mean at layer "
            f"{LAYER}, one seed, logarithmic. Median rank correlation at layers "
            f"{listed(LAYERS, 'd')}: {rows[WITHOUT]} without BN, {rows[WITH]} with BN, "
            f"{rows[CONTROL]} in the control."
        ),
    )


CLAIM = Claim(
    id="bjorck_channel_mean_gradient",
    title=(
        "At initialisation and without batch normalisation, outgoing weights of channels with a "
        "large mean have large gradients."
    ),
    checks=(
        Experiment(
            run=run,
            criteria=(
                # "Would explain the structure": half of the variance of the ranks.
                Criterion(
                    WITHOUT,
                    HERE,
                    "rank correlation of mean and gradient without BN",
                    at_least=0.5**0.5,
                ),
            ),
            fixed=Fixed("2026-11-30", "cdaa64c4e10f"),
            controls=(
                Control(
                    "without BN, means and gradients of the channels paired at random", passes=False
                ),
                Control(
                    "without BN, means and gradients of the channels paired by rank",
                    passes=True,
                    net=SECOND,
                ),
            ),
            draw=draw,
            positions={"layer": LAYERS},
            plot_only=frozenset({"channels"}),
        ),
    ),
    expected=Verdict.REPRODUCED,
    remark=(
        "The numbers are in an appendix of the online version; the printed paper has none. Our "
        "choices: Spearman correlation, over the input channels of one convolution, between the "
        "absolute mean over (b, x, y) and the average absolute gradient of the channel's outgoing "
        "weights; layer 45, that of figure 7, decides, and those of Table 1 are shown too. A "
        "correlation does not prove a cause: a property that goes with the mean, such as a "
        "channel's deviation, may be the reason. The evidence for a cause is 'gradient left "
        "without the means': the length of (4) with the means subtracted from the input, relative "
        "to its length. Without BN little is left, so the means cause most of the gradient. With "
        "BN almost all is left, and the correlation vanishes at layer 45 and is weak at the "
        "others."
    ),
)
