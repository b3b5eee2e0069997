"""Figures of the landscapes that `bnproof.empirical.protocols.landscapes` compares."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnproof.empirical.experiment import WITH, WITHOUT
from bnproof.empirical.plots import STYLES, legend_below, rounded
from bnproof.empirical.protocols.landscapes import PROTOCOLS, QUANTITIES, STAGES, ratio_name
from bnproof.empirical.protocols.vgg import INITS
from bnproof.theory.claim import Evidence

MARKS: Final[
    Mapping[str, Mapping[str, Any]]
] = {  # quantities, told apart by colour, marker and line
    "variation": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "change": {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    "beta": {"color": "#009E73", "marker": "D", "linestyle": "-."},
}

SHOWN: Final = (1e-4, 1e4)  # ratios outside are drawn at the edge
NAMES: Final = ("early", "middle", "late")
EDGE: Final = 2.0  # of beta times the rate


def draw_protocol(name: str) -> Callable[[Figure, Evidence], str]:
    """How the claim of one protocol is drawn."""
    protocol = PROTOCOLS[name]
    stage = "common loss, falling" if protocol.by_loss else "third of the updates"

    def draw(fig: Figure, evidence: Evidence) -> str:
        panels = fig.subplots(1, len(INITS) + 1)
        panels[1].sharey(panels[0])  # before anything is drawn, so that both set the limits
        for axes, init in zip(panels, INITS, strict=False):
            for quantity in QUANTITIES:
                _ratios(axes, evidence, name, quantity, init, QUANTITIES[quantity])
            _frame(axes, stage)
            axes.set_title(f"{init}{_at(evidence, init, best=protocol.best)}", fontsize="small")
        panels[0].set_ylabel("with BN over without, median and range")
        filled = f"filled: {INITS[0]}, open: {INITS[1]}"
        legend_below(fig, panels[0], 2, filled, loc="outside lower left", fontsize="x-small")
        _edges(panels[-1], evidence, "best rate" if protocol.best else "one rate")
        seeds = "median of seeds"
        legend_below(fig, panels[-1], 2, seeds, loc="outside lower right", fontsize="x-small")
        largest = {q: _extremes(evidence, name, q) for q in QUANTITIES}
        fig.suptitle(
            f"Effective beta with BN over without, {protocol.words}: "
            f"{rounded(largest['beta'][0])} to {rounded(largest['beta'][1])}",
            fontsize="medium",
        )
        told = "; ".join(
            f"{words} {rounded(largest[q][0])} to {rounded(largest[q][1])}"
            for q, words in QUANTITIES.items()
        )
        return (
            f"Ratios with BN over without BN, {protocol.words}, at three stages and for both "
            f"initialisations, medians over seeds: {told}. The last panel has beta times the "
            "learning rate through training; 2 is the edge of stability."
        )

    return draw


def draw_all(fig: Figure, evidence: Evidence) -> str:
    """The four protocols side by side."""
    panels = fig.subplots(1, len(PROTOCOLS), sharey=True)
    for axes, (name, protocol) in zip(panels, PROTOCOLS.items(), strict=True):
        for init in INITS:
            for quantity, words in QUANTITIES.items():
                label = words if init == INITS[0] else None
                _ratios(axes, evidence, name, quantity, init, label, bars=False)
        _frame(axes, "stage")
        axes.set_title(protocol.words, fontsize="small")
    panels[0].set_ylabel("with BN over without")
    told = f"median of seeds; filled: {INITS[0]}, open: {INITS[1]}"
    legend_below(fig, panels[0], len(QUANTITIES), told)
    worst = {
        name: max(_extremes(evidence, name, quantity)[1] for quantity in QUANTITIES)
        for name in PROTOCOLS
    }
    smooth = sum(
        all(_largest(evidence, name, quantity, init) <= 1 for quantity in QUANTITIES)
        for name in PROTOCOLS
        for init in INITS
    )
    fig.suptitle(
        f"Smoother with BN throughout in {smooth} of {len(PROTOCOLS) * len(INITS)} comparisons: "
        f"{len(PROTOCOLS)} protocols, {len(INITS)} initialisations",
        fontsize="medium",
    )
    told = ", ".join(f"{rounded(ratio)} {PROTOCOLS[name].words}" for name, ratio in worst.items())
    return (
        "Loss variation, change of the gradient and effective beta with BN over without BN, by "
        f"four protocols, medians over seeds; the largest ratio at any stage is {told}."
    )


def _ratios(
    axes: Axes,
    evidence: Evidence,
    name: str,
    quantity: str,
    init: str,
    label: str | None,
    *,
    bars: bool = True,
) -> None:
    """Medians of one ratio by stage, and the range over seeds as bars."""
    values = np.clip(evidence.series[WITH][ratio_name(name, quantity, init)], *SHOWN)
    middle = np.median(values, axis=0)
    spread = np.abs(np.stack([values.min(axis=0), values.max(axis=0)]) - middle)
    place = list(QUANTITIES).index(quantity) + len(QUANTITIES) * INITS.index(init)
    filled: dict[str, Any] = {} if init == INITS[0] else {"markerfacecolor": "white"}
    axes.errorbar(
        np.arange(STAGES) + 0.08 * (place - 2.5),
        middle,
        yerr=spread if bars else None,
        label=label,
        capsize=2,
        markersize=4,
        linewidth=1,
        **MARKS[quantity],
        **filled,
    )


def _frame(axes: Axes, stage: str) -> None:
    axes.axhline(1, color="#999999", linewidth=0.8)
    axes.set_yscale("log")
    axes.set_xticks(range(STAGES), NAMES, fontsize="small")
    axes.set_xlabel(stage, fontsize="small")


def _edges(axes: Axes, evidence: Evidence, which: str) -> None:
    """Beta times the rate through training."""
    for net in (WITH, WITHOUT):
        for init in INITS:
            series, style = evidence.series[net], STYLES[net]
            values = np.clip(series[f"beta * rate, {which}, {init}"], 1e-3, 1e3)
            axes.plot(
                series[f"update, {which}, {init}"][0],
                np.median(values, axis=0),
                color=style["color"],
                linestyle=style["linestyle"],
                marker=style["marker"],
                markersize=3,
                markerfacecolor=style["color"] if init == INITS[0] else "white",
                label=f"{net}, {init}",
            )
    axes.axhline(EDGE, color="#999999", linewidth=0.8)
    axes.set_yscale("log")
    axes.set_xlabel("update", fontsize="small")
    axes.set_title("effective beta times rate", fontsize="small")


def _at(evidence: Evidence, init: str, *, best: bool) -> str:
    """The rates, as the medians over seeds."""
    words = "best rate" if best else "one rate"
    rates = [np.median(evidence.series[net][f"rate, {words}, {init}"]) for net in (WITH, WITHOUT)]
    if rates[0] == rates[1]:
        return f": rate {rates[0]:.2g}"
    return f": rates {rates[0]:.2g} with, {rates[1]:.2g} without"


def _largest(evidence: Evidence, name: str, quantity: str, init: str) -> float:
    """Largest of the medians over the stages."""
    row = evidence.series[WITH][ratio_name(name, quantity, init)]
    return float(np.median(row, axis=0).max())


def _extremes(evidence: Evidence, name: str, quantity: str) -> tuple[float, float]:
    """Smallest and largest of the medians, over stages and initialisations."""
    rows = [evidence.series[WITH][ratio_name(name, quantity, init)] for init in INITS]
    medians = np.concatenate([np.median(row, axis=0) for row in rows])
    return float(medians.min()), float(medians.max())
