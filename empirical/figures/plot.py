"""A figure as data: its panels, its title and its text alternative."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from bnproof.empirical.figures.panels import Panel
from bnproof.theory.claim import Evidence

SEEDS: Final = "median and range of seeds"


class Medians:
    """Medians over seeds: ``medians[net, quantity]`` is a number, or an array for a row.

    Attributes
    ----------
    series
        The measurements themselves, ``series[net][quantity]``; the first axis is the seed.
    provenance
        Where they come from.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.series, self.provenance = evidence.series, evidence.provenance

    def __getitem__(self, key: tuple[str, str]) -> Any:
        net, quantity = key
        return np.median(self.series[net][quantity], axis=0)

    def typical_seed(self, net: str, quantity: str) -> int:
        """Index of the seed whose value is closest to the median."""
        values = self.series[net][quantity]
        return int(np.argmin(np.abs(values - np.median(values))))


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A figure: panels from left to right, row by row.

    Attributes
    ----------
    panels
        What each pair of axes shows.
    title
        What the figure shows, as a sentence with numbers.
    text
        The same for readers who cannot see the figure.
    columns
        Number of columns; all panels in one row if None.
    widths
        Relative widths of the columns.
    sharex, sharey
        Whether panels have one range; ``sharey=2``: the first two have.
    legend
        Where the legend of a single panel is placed; matplotlib's choice if empty.  The legend of
        several panels is below them.
    legend_title, legend_columns
        Its title and number of columns.
    """

    panels: Sequence[Panel]
    title: str
    text: str
    columns: int | None = None
    widths: Sequence[float] | None = None
    sharex: bool = False
    sharey: bool | int = False
    legend: str = ""
    legend_title: str = SEEDS
    legend_columns: int = 3

    def draw(self, fig: Figure, evidence: Evidence) -> str:
        """Draw on `fig`; return the text alternative."""
        columns = self.columns or len(self.panels)
        grid = fig.subplots(
            len(self.panels) // columns,
            columns,
            sharex=self.sharex,
            sharey=self.sharey is True,
            squeeze=False,
            width_ratios=self.widths,
        )
        size = "small" if columns > 2 else "medium"
        places = list(grid.flat)
        if self.sharey is not True:
            for axes in places[1 : int(self.sharey)]:
                axes.sharey(places[0])  # before anything is drawn, so that both set the limits
        bars: dict[str, tuple[ScalarMappable, list[Any]]] = {}
        for number, (axes, panel) in enumerate(zip(places, self.panels, strict=True)):
            image = panel.draw(axes, evidence.series, size)
            if number % columns and (self.sharey is True or number < self.sharey):
                axes.set_ylabel("")  # that of the first column
            if columns < len(places):
                axes.minorticks_off()  # small axes
            if image is not None:
                bars.setdefault(panel.colour_label, (image, []))[1].append(axes)
        for label, (image, axes) in bars.items():
            bar = fig.colorbar(image, ax=axes, shrink=0.7 if axes[0].get_aspect() == 1 else 0.9)
            bar.set_label(label, fontsize="small")
            if isinstance(image.norm, LogNorm):
                bar.set_ticks(LogLocator())
        self._legend(fig, places)
        if len(places) == 1:
            places[0].set_title(self.title, fontsize="medium")
        else:
            fig.suptitle(self.title, fontsize="medium")
        return self.text

    def _legend(self, fig: Figure, places: Sequence[Axes]) -> None:
        """One legend for all panels, below them unless it has a place in the only one."""
        handles: dict[str, Any] = {}
        for axes in places:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                handles.setdefault(label, handle)
        if not handles:
            return
        options: dict[str, Any] = {
            "handles": list(handles.values()),
            "labels": list(handles),
            "title": self.legend_title,
            "fontsize": "small",
            "title_fontsize": "small",
        }
        if len(places) == 1:
            places[0].legend(**(options | {"loc": self.legend or "best"}))
        else:
            fig.legend(**options, loc="outside lower center", ncols=self.legend_columns)


def declared(plot: Callable[[Medians], Plot]) -> Callable[[Figure, Evidence], str]:
    """Turn a function that declares a figure into one that draws it.

    The result is what `bnproof.empirical.experiment.Experiment` takes as ``draw``: it draws the
    evidence on a figure and returns the text alternative.
    """

    @wraps(plot)
    def draw(fig: Figure, evidence: Evidence) -> str:
        return plot(Medians(evidence)).draw(fig, evidence)

    return draw
