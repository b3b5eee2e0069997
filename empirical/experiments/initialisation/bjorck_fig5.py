"""Channel moments grow with depth without BN, but not with it (S3, figure 5)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bnproof.empirical.experiment import (
    CONTROL,
    NETS,
    SECOND,
    WITH,
    WITHOUT,
    Control,
    Criterion,
    Experiment,
    Fixed,
    Measured,
)
from bnproof.empirical.figures.panels import Curves, Panel, Points
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.figures.style import rounded
from bnproof.empirical.metrics.table import block_moments, growth
from bnproof.empirical.networks.table import ResNet
from bnproof.empirical.trial import DEPTH, Trial
from bnproof.theory.claim import Claim, Verdict

BLOCKS = tuple(range((DEPTH - 2) // 2))
MOMENTS = ("mean", "variance")
LARGEST = "largest channel mean of the last block"
LOGIT = "largest mean of a logit"
LARGER = 1.5  # factor of the weights in the positive control
PRINTED = 100.0  # "scales of up to 10^2 for the largest output channels"


def run(trial: Trial) -> Measured:
    """Measure the moments of the output of every block in all three networks."""
    return {
        WITH: _moments(trial, trial.network("batch")),
        WITHOUT: _moments(trial, trial.network("none")),
        CONTROL: _moments(trial, trial.network("none", init="torch")),
        SECOND: _moments(trial, trial.network("none", gain=LARGER)),
    }


def _moments(trial: Trial, net: ResNet) -> Mapping[str, Any]:
    measured = block_moments(net, trial.inputs)
    row: dict[str, Any] = {
        LARGEST: measured.means[-1].max().item(),
        LOGIT: measured.logits.mean(dim=0).abs().max().item(),
    }
    for name, channels in zip(MOMENTS, (measured.means, measured.variances), strict=True):
        average = np.array([block.mean().item() for block in channels])
        line = growth(average)
        row[name] = average
        row[f"deviation of the {name}"] = [block.std().item() for block in channels]
        row[f"growth of the {name}"] = line.factor
        row[f"straightness of the {name}"] = line.straightness
    return row


@declared
def draw(m: Medians) -> Plot:
    """Both moments against the block, on logarithmic axes."""
    growth_of = {
        net: [rounded(m[net, f"growth of the {name}"]) for name in MOMENTS] for net in m.series
    }
    largest = m[WITHOUT, LARGEST]
    fold = {net: " and ".join(f"{factor}-fold" for factor in growth_of[net]) for net in m.series}
    return Plot(
        panels=[_panel(m, name) for name in MOMENTS],
        legend_title="line: median of seeds; band: their range; bars: deviation over channels",
        title=(
            f"Variance over the depth: {growth_of[WITHOUT][1]}-fold without BN, "
            f"{growth_of[WITH][1]}-fold with BN"
        ),
        text=(
            f"Average channel mean and variance of the {len(BLOCKS)} block outputs on logarithmic "
            f"axes: the fitted lines rise {fold[WITHOUT]} without BN, {fold[WITH]} with BN, "
            f"{fold[CONTROL]} in the control with smaller initial weights. The largest channel "
            f"mean of the last block without BN is {rounded(largest)} (printed: up to "
            f"{PRINTED:g}), that of the logits {rounded(m[WITHOUT, LOGIT])}."
        ),
    )


def _panel(m: Medians, name: str) -> Curves:
    """One moment; bars show the deviation over channels at every ninth block."""
    blocks = np.array(BLOCKS) + 1
    places = {net: slice(2 + 3 * number, None, 9) for number, net in enumerate(NETS)}
    overlays: list[Panel] = []
    for net, place in places.items():
        middle, spread = m[net, name][place], m[net, f"deviation of the {name}"][place]
        low = middle - np.minimum(spread, 0.9 * middle)  # a logarithmic axis has no 0
        bars = np.stack([low, middle, middle + spread])
        overlays.append(
            Curves(x=blocks[place], y={net: bars}, lines={net: ""}, spread="bars", joined=False)
        )
    if name == "mean":
        largest = np.array([m[WITHOUT, LARGEST]])
        overlays.append(Points(net=WITHOUT, x=blocks[-1:], y=largest, marker="*", markersize=11))
    return Curves(
        x=blocks,
        y=name,
        lines={
            WITH: WITH,
            WITHOUT: WITHOUT,
            CONTROL: "without BN, smaller initial weights (control)",
        },
        xlabel=f"residual block (1 to {len(BLOCKS)})",
        ylabel=f"channel {name}, average over channels",
        yscale="log",
        level=PRINTED if name == "mean" else None,
        level_name="largest channel: printed (line)\nand measured (star)",
        overlays=overlays,
    )


def _criteria() -> tuple[Criterion, ...]:
    """Two decades of variance without BN ("scales of up to 10^2"), at most one with BN."""
    criteria = []
    for name, decades in (("mean", 1.0), ("variance", 2.0)):
        criteria += [
            Criterion(
                WITHOUT,
                f"growth of the {name}",
                f"growth of the {name} without BN",
                at_least=10**decades,
            ),
            Criterion(
                WITHOUT,
                f"straightness of the {name}",
                f"R^2 of log {name} without BN",
                at_least=0.9,
            ),
            # "Relatively constant": at most half the decades required of the other network.
            Criterion(
                WITH,
                f"growth of the {name}",
                f"growth of the {name} with BN",
                at_most=10 ** (decades / 2),
            ),
        ]
    return tuple(criteria)


CLAIM = Claim(
    id="bjorck_fig5",
    title=(
        "At initialisation channel means and variances grow almost exponentially with depth "
        "without batch normalisation, and stay relatively constant with it."
    ),
    checks=(
        Experiment(
            run=run,
            criteria=_criteria(),
            fixed=Fixed("2026-11-30", "cdaa64c4e10f"),
            controls=(
                Control(
                    (
                        "without BN, all weights and biases from PyTorch's default law, whose "
                        "kernels have a third of Xavier's variance"
                    ),
                    passes=False,
                ),
                Control(
                    f"without BN, the weights of all layers but first and last times {LARGER:g}",
                    passes=True,
                    net=SECOND,
                ),
            ),
            draw=draw,
            printed={WITHOUT: {LARGEST: PRINTED, LOGIT: PRINTED}},
            positions={"block": BLOCKS},
        ),
    ),
    expected=Verdict.REPRODUCED,
    remark=(
        "From the source: ResNet-110, Xavier initialisation, moments over (b, x, y), averaged over "
        "channels; a curve without numbers, except for outputs 'of up to 10^2 for the largest "
        "output channels'. Our choices: moments of the output of each residual block, after its "
        "ReLU (at the output of a BN layer they would be 0 and 1 by construction); growth is that "
        "of a straight line fitted to the logarithms over all 54 blocks. The order of magnitude of "
        "the printed scale fits the largest logit, if logits are the outputs meant; the largest "
        "channel mean of the last block exceeds it with every seed. With BN the variance still "
        "rises within a stage, because each block adds a branch of unit variance to its input, and "
        "falls back at the projection at the beginning of the next stage. The control with "
        "PyTorch's default weights shows that the growth also depends on the initialisation, not "
        "only on the missing BN."
    ),
)
