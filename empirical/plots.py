"""Drawing steps that the experiments share.

The networks differ in colour, marker and line, so that a figure can be read in grey too.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bnproof.empirical.experiment import CONTROL, WITH, WITHOUT

LAST = "BN at the last layer"
LAYER, GROUP = "layer normalisation", "group normalisation"
MIDDLE, SMALL = "with BN, rate 0.003", "with BN, rate 0.0001"

# Colours of Okabe and Ito (2008), which differ for the colour-blind and in lightness.
STYLES: Mapping[str, Mapping[str, Any]] = {
    WITH: {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    WITHOUT: {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    CONTROL: {"color": "#555555", "marker": "^", "linestyle": ":"},
    LAST: {"color": "#E69F00", "marker": "P", "linestyle": (0, (8, 2))},
    MIDDLE: {"color": "#56B4E9", "marker": "D", "linestyle": "-."},
    SMALL: {"color": "#009E73", "marker": "v", "linestyle": (0, (5, 1))},
    LAYER: {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    GROUP: {"color": "#009E73", "marker": "v", "linestyle": "-."},
    "LSUV, without BN": {"color": "#009E73", "marker": "D", "linestyle": "-."},
    "with BN, ReLU": {"color": "#CC79A7", "marker": "D", "linestyle": "-."},
    "with BN, wider": {"color": "#009E73", "marker": "v", "linestyle": (0, (5, 1))},
    "with BN, tenfold rate": {"color": "#56B4E9", "marker": "D", "linestyle": "-."},
    "noisy BN, per unit": {"color": "#009E73", "marker": "v", "linestyle": (0, (5, 1))},
    "noisy BN, per layer": {"color": "#CC79A7", "marker": "D", "linestyle": "-."},
    "noise without BN": {"color": "#E69F00", "marker": "P", "linestyle": (0, (8, 2))},
    "with BN, shuffled labels": {"color": "#E69F00", "marker": "v", "linestyle": (0, (5, 1))},
    "l1": {"color": "#E69F00", "marker": "v", "linestyle": "-"},
    "l2": {"color": "#56B4E9", "marker": "D", "linestyle": "--"},
    "linf": {"color": "#009E73", "marker": "P", "linestyle": "-."},
    "l1-centred": {"color": "#A07000", "marker": "<", "linestyle": (0, (5, 1))},
    "linf-centred": {"color": "#CC79A7", "marker": ">", "linestyle": (0, (8, 2))},
}


def rounded(value: float) -> str:
    """Write a positive number with two digits and without an exponent: 96,000 or 2.1."""
    return f"{float(f'{value:.2g}'):,.10g}"


def legend_below(
    fig: Figure, axes: Axes, ncols: int = 3, title: str | None = None, **options: Any
) -> None:
    """Put the legend of `axes` below all panels; `title` says what holds for every line of it."""
    options = {"loc": "outside lower center", "fontsize": "small", **options}
    fig.legend(
        *axes.get_legend_handles_labels(),
        ncols=ncols,
        title=title,
        title_fontsize=options["fontsize"],
        **options,
    )


def median_band(
    axes: Axes,
    net: str,
    positions: NDArray[Any],
    values: NDArray[np.float64],
    label: str,
    marked: slice,
) -> None:
    """Draw the median over seeds (first axis of `values`) as a line, their range as a band.

    `marked` says which positions get a marker.
    """
    style = STYLES[net]
    axes.fill_between(
        positions,
        values.min(axis=0),
        values.max(axis=0),
        color=style["color"],
        alpha=0.2,
        linewidth=0,
    )
    axes.plot(
        positions,
        np.median(values, axis=0),
        label=label,
        markevery=marked,
        **style,
    )


def median_marks(
    axes: Axes, net: str, positions: NDArray[Any], values: NDArray[np.float64], label: str
) -> None:
    """Draw the median over seeds as marks, the range over seeds as bars."""
    style = STYLES[net]
    middle = np.median(values, axis=0)
    spread = np.abs(np.stack([values.min(axis=0), values.max(axis=0)]) - middle)
    axes.errorbar(
        positions,
        middle,
        yerr=spread,
        label=label,
        color=style["color"],
        marker=style["marker"],
        linestyle="none",
        capsize=3,
    )


def seed_marks(
    axes: Axes, rows: Mapping[str, NDArray[np.float64]], names: Mapping[str, str]
) -> None:
    """Draw one number a network: a mark for every seed, a line at their median, a name below.

    The networks stand in the order of `names`.
    """
    for place, net in enumerate(names):
        style = STYLES[net]
        axes.plot(
            np.full(len(rows[net]), place),
            rows[net],
            color=style["color"],
            marker=style["marker"],
            linestyle="none",
            alpha=0.8,
        )
        axes.hlines(np.median(rows[net]), place - 0.3, place + 0.3, color=style["color"])
    axes.set_xticks(range(len(names)), list(names.values()), fontsize="small")
