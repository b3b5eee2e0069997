"""How far one update moves activations with and without BN: measurements shared by two claims."""

from typing import Any, Final

import numpy as np

from bnproof.empirical.experiment import CONTROL, WITH, WITHOUT
from bnproof.empirical.figures.panels import Curves
from bnproof.empirical.figures.style import OTHER_SEED
from bnproof.empirical.metrics.shift_callbacks import MOVED, is_measured
from bnproof.empirical.protocols.curves import Steps, capped, moments, rows, spread
from bnproof.empirical.protocols.vgg import vgg
from bnproof.empirical.trial import Trained, Trial

KINDS: Final = ("whole", "whole at long", "largest", "largest at long")
SMALLEST: Final = 1e-9  # replaces 0 on the logarithmic axis


def measured(trial: Trial) -> dict[str, dict[str, Any]]:
    """Measure both networks; the control is a second one without BN.

    Each quantity of `KINDS` for each layer of `MOVED` is a row over the evaluations at which
    ``earth mover`` is measured, thinned out if there are many.
    """
    runs = {
        WITH: vgg(trial, "batch"),
        WITHOUT: vgg(trial, "none"),
        CONTROL: vgg(trial, "none", seed=trial.other_seed),
    }
    every = moments(runs[WITH])
    steps = spread(every[[is_measured(int(step)) for step in every]])
    return {net: _read(run, steps) for net, run in runs.items()}


def _read(run: Trained, steps: Steps) -> dict[str, Any]:
    read: dict[str, Any] = {"step": steps}
    for kind in KINDS:
        values = np.maximum(capped(rows(run, steps, "earth mover", kind)), SMALLEST)
        read |= {f"{kind}, layer {n}": values[:, place] for place, n in enumerate(MOVED)}
        read[f"typical {kind}"] = np.median(values, axis=0)
    return read


def layers(kind: str, ylabel: str, *, level: float | None = None) -> list[Curves]:
    """One quantity against updates, one panel per layer."""
    return [
        Curves(
            x="step",
            y=f"{kind}, layer {number}",
            lines=OTHER_SEED,
            title=f"layer {number}",
            xlabel="updates",
            ylabel=ylabel,
            yscale="log",
            level=level,
        )
        for number in MOVED
    ]
