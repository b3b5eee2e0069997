"""How much of BN's effect at initialisation one BN at the last layer has (S3, section 4)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional

from empirical.experiment import CONTROL, WITH, WITHOUT, Criterion, Experiment, Measured
from empirical.networks import ResNet
from empirical.pictures import LAST, STYLES, rounded
from empirical.probes import kernel_gradients
from empirical.probes.landscape import losses_along_gradient
from empirical.trial import Trial
from theory.claim import Claim, Evidence, Verdict
from theory.sources import Source

LAYER = 55  # figure 2's
DECADES = (-5, 0)  # of step sizes, as figure 3
ROUNDING = 1e-5  # as figure 3: of a loss in float32 after 110 layers
FINER = 4  # parts, equal in the logarithm, of the interval in which the descent ends
PART = 2 / 3  # "two-thirds of the overall BN improvement"
MEASURES = {"scale": "gradient scale", "reach": "reach along the gradient"}
NETS = (WITH, LAST, WITHOUT, CONTROL)


def run(trial: Trial) -> Measured:
    """Measure gradient and reach of networks with BN everywhere, in one place, and nowhere."""
    found = {
        WITH: _measures(trial, trial.network("batch")),
        LAST: _measures(trial, trial.network("last")),
        WITHOUT: _measures(trial, trial.network("none")),
        CONTROL: _measures(trial, _first_only(trial)),
    }
    return {net: {**row, **_shares(row, found)} for net, row in found.items()}


def _first_only(trial: Trial) -> ResNet:
    """One BN, after the first convolution."""
    net = trial.network("none")
    convolution = net.layer(1)
    assert isinstance(convolution, nn.Conv2d)
    net.norm1 = nn.BatchNorm2d(convolution.out_channels).to(trial.device)
    return net


def _measures(trial: Trial, net: ResNet) -> dict[str, float]:
    gradient = kernel_gradients(net, trial.inputs, trial.labels, [LAYER])[LAYER].gradient
    return {"scale": gradient.square().mean().sqrt().item(), "reach": _reach(trial, net)}


def _reach(trial: Trial, net: ResNet) -> float:
    """The largest step of a path up to which all lower the loss, as figure 3; then more finely."""

    def descent(rates: list[float]) -> float:
        path = losses_along_gradient(
            net, functional.cross_entropy, trial.inputs, trial.labels, rates
        )
        return path.largest_descent(ROUNDING)

    first, last = DECADES
    rates = [10.0**power for power in range(first, last + 1)]
    reached = descent(rates)
    if reached == rates[-1]:
        return reached
    # The first step stands for a reach that ends before it.
    start = max(reached, rates[0])
    between = [start * 10 ** (part / FINER / trial.steps) for part in range(1, FINER * trial.steps)]
    return max(descent(between), start) if reached else start


def _shares(row: Mapping[str, float], found: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Which part of the way from no BN to BN, in the logarithm, a network goes."""
    return {
        f"share of the {name}": float(
            np.log(row[name] / found[WITHOUT][name])
            / np.log(found[WITH][name] / found[WITHOUT][name])
        )
        for name in MEASURES
    }


def draw(fig: Figure, evidence: Evidence) -> str:
    """Draw both measures of every network, logarithmic, one mark a seed."""
    names = {
        WITH: "BN after every\nconvolution",
        LAST: "one BN,\nlast layer",
        WITHOUT: "no BN",
        CONTROL: "one BN,\nfirst layer\n(control)",
    }
    medians = {
        net: {
            name: float(np.median(values)) for name, values in evidence.series[net].items()
        }
        for net in NETS
    }
    labels = {
        "scale": f"gradient at layer {LAYER}, root mean square",
        "reach": "largest step that lowers the loss",
    }
    for axes, name in zip(fig.subplots(1, 2), MEASURES, strict=True):
        for place, net in enumerate(NETS):
            values = evidence.series[net][name]
            style = STYLES[net]
            axes.plot(
                np.full(len(values), place),
                values,
                color=style["color"],
                marker=style["marker"],
                linestyle="none",
                alpha=0.8,
            )
            axes.hlines(medians[net][name], place - 0.3, place + 0.3, color=style["color"])
        axes.set_yscale("log")
        axes.set_xticks(range(len(NETS)), [names[net] for net in NETS], fontsize="small")
        axes.set_ylabel(labels[name])
        axes.set_title(
            f"share of the last layer's BN: {medians[LAST][f'share of the {name}']:.0%}",
            fontsize="small",
        )
    shares = {
        net: [medians[net][f"share of the {name}"] for name in MEASURES] for net in (LAST, CONTROL)
    }
    fig.suptitle(
        f"One BN at the last layer has {shares[LAST][0]:.0%} of BN's effect on the gradient, "
        f"{shares[LAST][1]:.0%} on the reach"
    )
    rows = {
        net: f"{medians[net]['scale']:.1e} and {rounded(medians[net]['reach'])}" for net in NETS
    }
    return (
        f"Root mean square of the gradient at layer {LAYER} and largest step that lowers the "
        f"loss, logarithmic, a mark for every seed; medians: {rows[WITH]} with BN, {rows[LAST]} "
        f"with one BN at the last layer, {rows[WITHOUT]} without BN, {rows[CONTROL]} in the "
        f"control with one BN at the first layer. In the logarithm the last layer's BN goes "
        f"{shares[LAST][0]:.0%} and {shares[LAST][1]:.0%} of the way, the first one's "
        f"{shares[CONTROL][0]:.0%} and {shares[CONTROL][1]:.0%}."
    )


CLAIM = Claim(
    id="bjorck_last_bn_init",
    title=(
        "At initialisation one batch normalisation at the last layer has most of the effect that "
        "all of them have on gradients and step sizes."
    ),
    sources=(Source("S3", "section 4"),),
    statement=(
        r"\begin{array}{l}"
        r"\text{It is natural to suspect that such a dramatic relationship between output and} \\"
        r"\text{input are responsible for the large gradients seen in Figure 2. [...] we train a} \\"
        r"\text{Resnet that uses one batch normalization layer only at the very last layer [...]} \\"
        r"\text{capturing two-thirds of the overall BN improvement [...]. This suggests that} \\"
        r"\text{normalizing the final layer of a deep network may be one of the most important} \\"
        r"\text{contributions of BN.}"
        r"\end{array}"
    ),
    means=(
        Experiment(
            run=run,
            criteria=tuple(
                # "Two-thirds of the overall BN improvement", here of a ratio, in the logarithm.
                Criterion(
                    net=LAST,
                    quantity=f"share of the {name}",
                    at_least=PART,
                    words=f"share of BN's effect on the {words}",
                )
                for name, words in MEASURES.items()
            ),
            control="one BN too, but after the first convolution",
            made_of=LAST,
            draw=draw,
            positions={"layer": (LAYER,)},
        ),
    ),
    expected=Verdict.REPRODUCED,
    remark="",
)
