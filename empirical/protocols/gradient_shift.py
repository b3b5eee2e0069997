"""Covariate shift of gradients with and without BN: one experiment for two kinds of networks.

It tests A18's statement (section 2.2) that with BN internal covariate shift is similar or larger.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from bnproof.empirical.experiment import (
    CONTROL,
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
from bnproof.empirical.metrics.shift_callbacks import SHORT, is_measured
from bnproof.empirical.networks.table import Norm
from bnproof.empirical.protocols.curves import Array, Steps, capped, moments, rows, spread
from bnproof.empirical.setting import Setting
from bnproof.empirical.trial import Networks, Size, Trained, Trial, Variant
from bnproof.theory.claim import Scale

Train = Callable[[Trial, Norm], Trained]

RATIO: Final = "distance over that without BN"
RELATIVE: Final = "relative distance over that without BN"
LESS: Final = "cosine less that without BN"
KINDS: Final = ("distance", "relative", "cosine")
ROUNDING: Final = 1e-6  # of float32: lower end of the axis
LONG_RUN: Final = 1_000  # updates above which their axis is logarithmic
NONE: Final[Mapping[str, Variant]] = {}
SMALLEST: Final = 1e-12  # replaces a distance of 0

CRITERIA: Final = (
    # "Similar or larger": not less than half.
    Criterion(WITH, RATIO, "distance of the gradients, with BN over without", at_least=0.5),
    # "Similar or lower correlation"; a cosine is similar if it differs by less than a tenth.
    Criterion(WITH, LESS, "cosine of the gradients, with BN less without", at_most=0.1),
)


def compare(with_bn: Trained, without: Trained) -> Measured:
    """Shift of every layer except the first in both networks, and for a short step (control)."""
    every = moments(with_bn)
    steps = spread(every[[is_measured(int(step)) for step in every]])
    shifts = {
        WITH: _shift(with_bn, steps, "shift"),
        WITHOUT: _shift(without, steps, "shift"),
        CONTROL: _shift(with_bn, steps, "shift", "short"),
    }
    return {net: _measured(steps, rows, shifts[WITHOUT]) for net, rows in shifts.items()}


def _shift(run: Trained, steps: Steps, *path: str) -> dict[str, Array]:
    """Each quantity as (steps, layers).  The cosine of a gradient of 0 is set to 0."""
    read = {kind: rows(run, steps, *path, kind) for kind in KINDS}
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


@declared
def draw(m: Medians) -> Plot:
    """Distance, relative distance and cosine through training."""
    titles = {
        "distance": "distance |G - G'|",
        "relative": "relative: |G - G'|/|G|",
        "cosine": "cosine of G and G'",
    }
    long_run = m.series[WITH]["step"][0][-1] > LONG_RUN
    ratio, relative = f"{m[WITH, RATIO]:.2g}", f"{m[WITH, RELATIVE]:.2g}"
    cosine = {net: f"{m[net, 'typical cosine']:.2f}" for net in m.series}
    return Plot(
        panels=[
            Curves(
                x="step",
                y=kind,
                lines={
                    WITH: WITH,
                    WITHOUT: WITHOUT,
                    CONTROL: f"with BN, {SHORT:g} of the step (control)",
                },
                title=title,
                xlabel="updates",
                xscale="updates" if long_run else "linear",
                yscale="linear" if kind == "cosine" else "log",
                ylim=(-1.05, 1.05) if kind == "cosine" else (ROUNDING, None),
            )
            for kind, title in titles.items()
        ],
        legend_title="medians over layers; bands: range over seeds",
        title=(
            f"Covariate shift with BN / without BN: {ratio}, relative to the gradient {relative};\n"
            f"cosine {cosine[WITH]} with BN, {cosine[WITHOUT]} without"
        ),
        text=(
            "Distance between a layer's gradients before and after the update of the earlier "
            "layers, the same relative to the length of the gradient, and their cosine, medians "
            "over layers, against updates (bands: range over seeds): with BN / without BN the "
            f"distance is {ratio}, the relative distance {relative}; the cosine is {cosine[WITH]} "
            f"with BN, {cosine[WITHOUT]} without, {cosine[CONTROL]} in the control with {SHORT:g} "
            "of the step."
        ),
    )


def experiment(
    train: Train,
    networks: Networks,
    sizes: Mapping[Scale, Size],
    setting: Setting,
    *,
    variants: Mapping[str, Variant] = NONE,
    data: str = "",
) -> Experiment:
    """The experiment on the networks trained by `train`, whose metrics must include ``shift``."""

    def run(trial: Trial) -> Measured:
        return compare(train(trial, "batch"), train(trial, "none"))

    return Experiment(
        run=run,
        criteria=CRITERIA,
        fixed=Fixed("2026-12-01", "6234dfa0bd9c"),
        controls=(
            Control(
                f"with BN, the earlier layers moved by {SHORT:g} of the step",
                passes=False,
                made_of=WITH,
            ),
            Control("without BN", passes=True, made_of=WITH, net=WITHOUT),
        ),
        draw=draw,
        networks=networks,
        setting=setting,
        variants=variants,
        sizes=sizes,
        data=data,
    )
