"""How far one update moves activations with BN and without: numbers that two claims share."""

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes

from bnproof.empirical.metrics.shift_callbacks import MOVED, is_watched
from bnproof.empirical.plots import median_band
from bnproof.empirical.protocols.curves import Steps, capped, moments, rows, spread
from bnproof.empirical.trial import Trained
from bnproof.theory.claim import Evidence

KINDS: Final = ("whole", "whole at long", "largest", "largest at long")
SMALLEST: Final = 1e-9  # stands for no movement at all


def looked_at(found: Trained) -> Steps:
    """Moments of a run at which the probe ``earth mover`` looks, at most as many as are shown."""
    every = moments(found)
    return spread(every[[is_watched(int(step)) for step in every]])


def measured(found: Trained, steps: Steps) -> dict[str, Any]:
    """Each kind for each layer of `MOVED`: (steps,) each, and the largest of all."""
    read: dict[str, Any] = {"step": steps}
    for kind in KINDS:
        values = np.maximum(capped(rows(found, steps, "earth mover", kind)), SMALLEST)
        read |= {f"{kind}, layer {n}": values[:, place] for place, n in enumerate(MOVED)}
        read[f"typical {kind}"] = np.median(values, axis=0)
    return read


def draw_layers(
    axes: np.ndarray[Any, np.dtype[Any]], evidence: Evidence, kind: str, labels: dict[str, str]
) -> None:
    """Draw one kind against updates, one layer in each of the axes."""
    place: Axes
    for place, number in zip(axes, MOVED, strict=True):
        for net, label in labels.items():
            series = evidence.series[net]
            values = series[f"{kind}, layer {number}"]
            median_band(place, net, series["step"][0], values, label, slice(None))
        place.set_yscale("log")
        place.minorticks_off()
        place.set_xlabel("updates", fontsize="small")
        place.set_title(f"layer {number}", fontsize="small")
