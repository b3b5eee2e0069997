"""Covariate shift of gradients with BN and without, through training: one experiment, two networks.

The statement under test is that of A18, section 2.2: BN leaves internal covariate shift similar or
makes it larger.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
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
from bnproof.empirical.metrics.shift_callbacks import SHORT, is_watched
from bnproof.empirical.networks.table import Norm
from bnproof.empirical.plots import legend_below, median_band
from bnproof.empirical.protocols.curves import Array, Steps, capped, moments, rows, spread
from bnproof.empirical.trial import Size, Trained, Trial
from bnproof.theory.claim import Evidence, Scale

Train = Callable[[Trial, Norm], Trained]

RATIO: Final = "distance over that without BN"
RELATIVE: Final = "relative distance over that without BN"
LESS: Final = "cosine less that without BN"
KINDS: Final = ("distance", "relative", "cosine")
ROUNDING: Final = 1e-6  # of float32: nothing is drawn below it
LONG_RUN: Final = 1_000  # updates from which on their axis is logarithmic
SMALLEST: Final = 1e-12  # stands for a distance of 0

CRITERIA: Final = (
    # "Similar or larger": not less than half.
    Criterion(
        net=WITH,
        quantity=RATIO,
        at_least=0.5,
        words="distance of the gradients, with BN over without",
    ),
    # "Similar or lower correlation"; a cosine is similar if it differs by less than a tenth.
    Criterion(
        net=WITH,
        quantity=LESS,
        at_most=0.1,
        words="cosine of the gradients, with BN less without",
    ),
)


def experiment(
    train: Train, networks: Mapping[str, str], sizes: Mapping[Scale, Size], *, data: str = ""
) -> Experiment:
    """The experiment on the networks that `train` trains; their recipe has the probe ``shift``."""

    def run(trial: Trial) -> Measured:
        return compare(train(trial, "batch"), train(trial, "none"))

    return Experiment(
        run=run,
        criteria=CRITERIA,
        control=f"with BN, the earlier layers moved by {SHORT:g} of the step",
        made_of=WITH,
        draw=draw,
        networks=networks,
        sizes=sizes,
        data=data,
    )


def compare(with_bn: Trained, without: Trained) -> Measured:
    """Shift of every layer but the first in both networks, and under a short step (control)."""
    every = moments(with_bn)
    steps = spread(every[[is_watched(int(step)) for step in every]])
    found = {
        WITH: _shift(with_bn, steps, "shift"),
        WITHOUT: _shift(without, steps, "shift"),
        CONTROL: _shift(with_bn, steps, "shift", "short"),
    }
    return {net: _measured(steps, rows, found[WITHOUT]) for net, rows in found.items()}


def _shift(found: Trained, steps: Steps, *path: str) -> dict[str, Array]:
    """Each kind as (steps, layers).  A gradient of 0 has no direction: its cosine stands as 0."""
    read = {kind: rows(found, steps, *path, kind) for kind in KINDS}
    read["cosine"] = np.nan_to_num(read["cosine"], nan=0.0)
    for kind in ("distance", "relative"):
        read[kind] = np.maximum(capped(read[kind]), SMALLEST)
    return read


def _measured(steps: Steps, own: dict[str, Array], without: dict[str, Array]) -> dict[str, Any]:
    over_layers = {kind: np.median(values, axis=1) for kind, values in own.items()}
    over_steps = {f"{kind} by layer": np.median(own[kind], axis=0) for kind in KINDS}
    return {
        "step": steps,
        **over_layers,
        **over_steps,
        "typical cosine": np.median(own["cosine"]),
        RATIO: np.median(own["distance"] / without["distance"]),
        RELATIVE: np.median(own["relative"] / without["relative"]),
        LESS: np.median(own["cosine"] - without["cosine"]),
        f"{RATIO} by step": np.median(own["distance"] / without["distance"], axis=1),
        f"{LESS} by step": np.median(own["cosine"] - without["cosine"], axis=1),
    }


def draw(fig: Figure, evidence: Evidence) -> str:
    """Draw distance, relative distance and cosine through training."""
    labels = {
        WITH: WITH,
        WITHOUT: WITHOUT,
        CONTROL: f"with BN, {SHORT:g} of the step (control)",
    }
    steps = evidence.series[WITH]["step"][0]
    titles = ("distance |G - G'|", "relative: |G - G'|/|G|", "cosine of G and G'")
    for axes, kind, title in zip(fig.subplots(1, 3), KINDS, titles, strict=True):
        for net in NETS:
            series = evidence.series[net]
            median_band(axes, net, series["step"][0], series[kind], labels[net], slice(None))
        if kind == "cosine":
            axes.set_ylim(-1.05, 1.05)
        else:
            axes.set_yscale("log")
            axes.set_ylim(bottom=ROUNDING)
            axes.minorticks_off()
        if steps[-1] > LONG_RUN:
            axes.set_xscale("symlog", linthresh=steps[1])
        axes.set_xlim(0, steps[-1])
        axes.set_xlabel("updates")
        axes.set_title(title, fontsize="small")
    legend_below(fig, axes, title="medians over layers; bands: range over seeds")
    ratio, relative = (np.median(evidence.series[WITH][name]) for name in (RATIO, RELATIVE))
    cosine = {net: np.median(evidence.series[net]["typical cosine"]) for net in NETS}
    fig.suptitle(
        f"Covariate shift with BN over without: {ratio:.2g}, relative to the gradient "
        f"{relative:.2g};\ncosine {cosine[WITH]:.2f} with BN, {cosine[WITHOUT]:.2f} without",
        fontsize="medium",
    )
    return (
        "Distance of a layer's gradients before and after the earlier layers' update, the same "
        "over the gradient's length, and their cosine, medians over layers, against updates "
        f"(bands: range of seeds): with BN over without the distance is {ratio:.2g} and relative "
        f"{relative:.2g}; the cosine is {cosine[WITH]:.2f} with BN, {cosine[WITHOUT]:.2f} without, "
        f"{cosine[CONTROL]:.2f} in the control with {SHORT:g} of the step."
    )
