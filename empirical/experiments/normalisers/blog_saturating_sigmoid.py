"""A deep network of sigmoids learns with BN but not without (S4)."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

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
from bnproof.empirical.figures.panels import Curves
from bnproof.empirical.figures.plot import Medians, Plot, declared
from bnproof.empirical.networks.table import Nonlinearity, Norm
from bnproof.empirical.setting import OWN, Setting, widths
from bnproof.empirical.trial import Networks, Size, Trial
from bnproof.theory.claim import Claim, Scale, Verdict
from bnproof.theory.sources import Source

RATES: Final = (0.01, 0.03, 0.1, 0.3)
WIDTH: Final = {Scale.SMOKE: 2, Scale.QUICK: 8, Scale.LONG: 8, Scale.PAPER: 32}
TESTED: Final = 2_000
LEARNT: Final = 0.2  # accuracy; chance is 0.1
OTHER: Final = "with BN, other nonlinearity"
SCALED: Final = "without BN, sigmoids, scaled weights"
OPTIONS: Final[Mapping[str, Any]] = {"momentum": 0.9, "decay": 0.0, "tested": TESTED}

SIZES: Final = {
    Scale.SMOKE: Size(batch=16, seeds=2, updates=4, images=200),
    Scale.QUICK: Size(batch=128, seeds=5, updates=250, images=None),
    Scale.LONG: Size(batch=128, seeds=3, updates=5_000, images=None),
    Scale.PAPER: Size(batch=128, seeds=5, updates=5_000, images=None),
}
NETWORKS: Final[Networks] = {
    "architecture": {
        scale: f"VGG of 11 layers for 32x32 images, first convolution of {width} channels"
        for scale, width in WIDTH.items()
    },
    "initialisation": "Xavier uniform",
    "learning rates": ", ".join(map(str, RATES)),
}
SETTING: Final = Setting(network=widths(64, WIDTH, "VGG"), deviations=(OWN,))
STATEMENT: Final = r"\text{It also enables usage of saturating non-linearities.}"
SOURCES: Final = (Source("S4", "opening list, fourth point"),)
PROTOCOL: Final = (
    "From the source: the blog restates Ioffe and Szegedy (2015, section 4.2), who trained an "
    "Inception network of sigmoids to 69.8 % on ImageNet with BN, while without it the accuracy "
    "stayed at chance. Our choices: VGG-A with every ReLU replaced, Xavier initialisation, "
    "CIFAR-10, SGD with momentum 0.9, few updates; 'usable' means a test accuracy of at least 0.2 "
    f"at the best of {len(RATES)} rates, chosen for each network and seed; 'enables' means that it "
    "is below 0.2 without BN. The statement is about saturating functions in general and is judged "
    "separately for two of them. "
)


def run(trial: Trial) -> Measured:
    """Train networks with sigmoids and with tanh at each rate."""
    return measure(trial, "sigmoid", "tanh")


def measure(trial: Trial, own: Nonlinearity, other: Nonlinearity) -> Measured:
    """With and without BN; the control is the network without BN and with the `other` function."""
    return {
        WITH: _accuracies(trial, "batch", own),
        WITHOUT: _accuracies(trial, "none", own),
        SECOND: _accuracies(trial, "none", own, updates=0),
        CONTROL: _accuracies(trial, "none", other),
        OTHER: _accuracies(trial, "batch", other),
        SCALED: _accuracies(trial, "none", "sigmoid", init="lsuv"),
    }


def _accuracies(
    trial: Trial,
    norm: Norm,
    nonlinearity: Nonlinearity,
    init: str = "xavier",
    updates: int | None = None,
) -> dict[str, Any]:
    """Test accuracies at the end of training, or before it with ``updates=0``."""
    place = -1 if updates is None else 0
    network = {
        "family": "vgg",
        "norm": norm,
        "nonlinearity": nonlinearity,
        "init": init,
        "width": WIDTH[trial.scale],
    }
    runs = [trial.train(network, rate=rate, every=trial.size.updates, **OPTIONS) for rate in RATES]
    accuracies = np.array([run.column("test accuracy")[place] for run in runs])
    return {
        "test accuracy at each rate": accuracies,
        "test accuracy": accuracies.max(),
        "best rate": RATES[int(accuracies.argmax())],
    }


def criteria(function: str) -> tuple[Criterion, ...]:
    """The function is usable with BN and not without."""
    return (
        Criterion(
            WITH,
            "test accuracy",
            f"test accuracy of {function} with BN at its best rate",
            at_least=LEARNT,
        ),
        Criterion(
            WITHOUT,
            "test accuracy",
            f"test accuracy of {function} without BN at its best rate",
            at_most=LEARNT,
        ),
    )


@declared
def draw(m: Medians) -> Plot:
    """Accuracy against the rate, sigmoids first."""
    return plot(m, "sigmoid", "tanh")


def plot(m: Medians, own: str, other: str) -> Plot:
    """One panel for each function, the claim's own first."""
    nets = {own: [WITH, WITHOUT], other: [OTHER, CONTROL]}
    with_bn, without, lsuv = "with BN", "without BN", "without BN, weights by LSUV"
    panels = []
    for function, (first, second) in nets.items():
        lines = {first: with_bn, second: without}
        if function == "sigmoid":
            lines[SCALED] = lsuv
        panels.append(
            Curves(
                x=RATES,
                y="test accuracy at each rate",
                lines=lines,
                styles={first: WITH, second: WITHOUT, SCALED: CONTROL},
                title=function,
                xscale="log",
                ylim=(0, 0.6),
                level=0.1,
                xlabel="learning rate",
                ylabel="test accuracy (chance 0.1)",
            )
        )
    best = {net: f"{m[net, 'test accuracy']:.2f}" for net in m.series}
    words = "; ".join(
        f"{function} {best[first]} with and {best[second]} without"
        for function, (first, second) in nets.items()
    )
    return Plot(
        panels=panels,
        sharey=True,
        title=(
            f"At its best rate a deep {own} network reaches {best[WITH]} with BN, {best[WITHOUT]} "
            "without"
        ),
        text=(
            "Test accuracy of VGG-A against the learning rate, with and without BN; at the best "
            f"rate: {words}; sigmoids without BN and with weights scaled by LSUV {best[SCALED]}; "
            "medians over seeds; chance is 0.1."
        ),
    )


CLAIM = Claim(
    id="blog_saturating_sigmoid",
    title="Batch normalisation makes sigmoids usable in a deep network.",
    checks=(
        Experiment(
            run=run,
            criteria=criteria("sigmoid"),
            fixed=Fixed("2026-12-01", "6234dfa0bd9c"),
            controls=(
                Control("without BN, tanh in place of the sigmoid", passes=False),
                Control("without BN, sigmoids, before training", passes=True, net=SECOND),
            ),
            draw=draw,
            networks=NETWORKS,
            setting=SETTING,
            sizes=SIZES,
        ),
    ),
    expected=Verdict.SEEN,
    remark=PROTOCOL
    + (
        "Without BN sigmoid networks stay at chance at every rate, even with weights that give the "
        "input of every sigmoid unit variance (LSUV). With BN they learn, best at the smallest "
        "rates tried. At larger rates the accuracy is low because of the evaluation: in one run "
        "looked at separately the training loss fell, while the accuracy in evaluation mode stayed "
        "near chance. Running averages that lag behind rapidly changing weights would explain it; "
        "this was not tested."
    ),
)
