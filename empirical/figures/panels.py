"""What one pair of axes shows: curves, a value for each seed, points, a histogram or an image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from bnproof.empirical.experiment import Series
from bnproof.empirical.figures.style import REFERENCE, STYLES

Scale = Literal["linear", "log", "log2", "updates"]
Limits = tuple[float | None, float | None]
Style = str | Mapping[str, Any]
Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Axes, and a reference line if there is one; the subclasses say what is drawn on them.

    Attributes
    ----------
    title, xlabel, ylabel
        Texts.
    xscale, yscale
        ``"log2"`` has powers of two as ticks; ``"updates"`` is linear up to the second position and
        logarithmic from there on, so that it can begin at 0.
    xlim, ylim
        Limits; None for one that the data determine.
    xticks
        Labels by position.
    level, level_name
        A thin horizontal line, and what is written above its left end.
    overlays
        Panels drawn on the same axes; only their data count.
    """

    title: str = ""
    xlabel: str = ""
    ylabel: str = ""
    xscale: Scale = "linear"
    yscale: Scale = "linear"
    xlim: Limits | None = None
    ylim: Limits | None = None
    xticks: Mapping[float, str] | None = None
    level: float | None = None
    level_name: str = ""
    overlays: Sequence["Panel"] = ()

    def draw(self, axes: Axes, series: Series, size: str) -> ScalarMappable | None:
        """Draw everything, with labels of font size `size`; return what a colour bar explains."""
        image = self._paint(axes, series)
        for panel in self.overlays:
            panel._paint(axes, series)
        if self.xscale != "linear":
            _scale(axes, "x", self.xscale)
        if self.yscale != "linear":
            _scale(axes, "y", self.yscale)
        if self.xticks is not None:
            axes.set_xticks(list(self.xticks), list(self.xticks.values()), fontsize="small")
            axes.xaxis.set_minor_locator(NullLocator())
        if self.xlim is not None:
            axes.set_xlim(*self.xlim)
        if self.ylim is not None:
            axes.set_ylim(*self.ylim)
        if self.level is not None:
            axes.axhline(self.level, **REFERENCE)
            axes.annotate(
                self.level_name,
                (0.01, self.level),
                (2, 2),
                xycoords=axes.get_yaxis_transform(),
                textcoords="offset points",
                fontsize="small",
            )
        axes.set_title(self.title, fontsize=size)
        axes.set_xlabel(self.xlabel, fontsize=size)
        axes.set_ylabel(self.ylabel, fontsize=size)
        return image

    @property
    def colour_label(self) -> str:
        """What the colours of an image mean."""
        return ""

    def _paint(self, axes: Axes, series: Series) -> ScalarMappable | None:
        """Draw the data."""
        raise NotImplementedError


def _scale(axes: Axes, which: Literal["x", "y"], scale: Scale) -> None:
    set_scale = axes.set_xscale if which == "x" else axes.set_yscale
    if scale == "log2":
        set_scale("log", base=2)
    elif scale == "updates":
        steps = np.unique(np.concatenate([line.get_xdata() for line in axes.lines]))
        set_scale("symlog", linthresh=steps[1])
        axes.set_xlim(0, steps[-1])
    else:
        set_scale(scale)


@dataclass(frozen=True, kw_only=True)
class Curves(Panel):
    """A quantity against another one, a line for each network: median and range over seeds.

    Attributes
    ----------
    x
        Positions: the name of a measured row, or numbers; by network if they differ.
    y
        Values: the name of a measured quantity, or arrays (seeds, positions) by network.  If there
        are fewer of them than positions, they belong to the last ones.
    lines
        Labels of the networks that are drawn.
    styles
        The style of a network, by a name in `STYLES` or as keywords, if not that of its own name.
    spread
        How the range over seeds is drawn.
    joined
        Whether the medians are joined by a line.
    dodge
        Distance between the marks of neighbouring networks at one position.
    hollow
        Networks with white marks.
    guides
        Thin black lines: values at the positions, by label.
    """

    x: str | Sequence[float] | Array | Mapping[str, Sequence[float] | Array]
    y: str | Mapping[str, Array]
    lines: Mapping[str, str]
    styles: Mapping[str, Style] = field(default_factory=dict)
    spread: Literal["band", "bars", "none"] = "band"
    joined: bool = True
    dodge: float = 0.0
    hollow: Sequence[str] = ()
    guides: Mapping[str, Array] = field(default_factory=dict)

    def _paint(self, axes: Axes, series: Series) -> None:
        for number, (net, label) in enumerate(self.lines.items()):
            values = series[net][self.y] if isinstance(self.y, str) else self.y[net]
            positions = self._positions(series, net)[-values.shape[1] :]
            shift = self.dodge * (number - (len(self.lines) - 1) / 2)
            self._line(axes, net, label, positions + shift, values)
        for label, values in self.guides.items():
            axes.plot(positions, values, color="black", linewidth=0.8, label=label)

    def _positions(self, series: Series, net: str) -> Array:
        if isinstance(self.x, str):
            first: Array = series[net][self.x][0]
            return first
        return np.asarray(self.x[net] if isinstance(self.x, Mapping) else self.x)

    def _line(self, axes: Axes, net: str, label: str, positions: Array, values: Array) -> None:
        chosen = self.styles.get(net, net)
        style = dict(STYLES[chosen] if isinstance(chosen, str) else chosen)
        colour = style["color"]
        if not self.joined:
            style["linestyle"] = "none"
        if net in self.hollow:
            style["markerfacecolor"] = "white"
        middle, low, high = np.median(values, axis=0), values.min(axis=0), values.max(axis=0)
        if self.spread == "bars":
            spread = np.stack([middle - low, high - middle])
            axes.errorbar(positions, middle, yerr=spread, label=label, capsize=3, **style)
            return
        if self.spread == "band":
            axes.fill_between(positions, low, high, color=colour, alpha=0.2, linewidth=0)
        marked = self._marked(net, len(positions))
        axes.plot(positions, middle, label=label, markevery=marked, **style)

    def _marked(self, net: str, count: int) -> slice:
        """The positions with a mark: few and staggered if there are many."""
        if not self.joined or count * len(self.lines) < 70:
            return slice(None)
        every = max(count // 6, len(self.lines))
        return slice(list(self.lines).index(net) * every // len(self.lines), None, every)


@dataclass(frozen=True, kw_only=True)
class SeedMarks(Panel):
    """One number for each network: a mark for each seed, a line at the median, a name below."""

    y: str
    names: Mapping[str, str]

    def _paint(self, axes: Axes, series: Series) -> None:
        for place, net in enumerate(self.names):
            values, style = series[net][self.y], {**STYLES[net], "linestyle": "none"}
            axes.plot(np.full(len(values), place), values, alpha=0.8, **style)
            axes.hlines(np.median(values), place - 0.3, place + 0.3, color=style["color"])
        axes.set_xticks(range(len(self.names)), list(self.names.values()), fontsize="small")


@dataclass(frozen=True, kw_only=True)
class Points(Panel):
    """Points of one network, at `x` and `y`; in a `style` if not that of the network."""

    net: str
    x: Array
    y: Array
    label: str = ""
    marker: str = ""
    markersize: float = 3
    style: Mapping[str, Any] = field(default_factory=dict)

    def _paint(self, axes: Axes, series: Series) -> None:
        style = {
            **(self.style or STYLES[self.net]),
            "linestyle": "none",
            "markersize": self.markersize,
        }
        if self.marker:
            style["marker"] = self.marker
        axes.plot(self.x, self.y, alpha=0.7, label=self.label, **style)


@dataclass(frozen=True, kw_only=True)
class Upright(Panel):
    """A dotted vertical line at `x` in the colour of a network, its label beside the lower end."""

    net: str
    x: float
    label: str

    def _paint(self, axes: Axes, series: Series) -> None:
        colour, across = STYLES[self.net]["color"], axes.get_xaxis_transform()
        axes.axvline(self.x, color=colour, linewidth=1, linestyle=(0, (2, 3)))
        axes.annotate(
            *(self.label, (self.x, 0.03)),
            xycoords=across,
            xytext=(3, 0),  # points; leading spaces would be dropped from an SVG file
            textcoords="offset points",
            color=colour,
            fontsize="small",
        )


@dataclass(frozen=True, kw_only=True)
class Histogram(Panel):
    """Counts of one network's values in bins, on a logarithmic axis, with the normal density.

    `edges` are those of the bins in units of the standard deviation.
    """

    net: str
    counts: Array
    edges: Array

    def _paint(self, axes: Axes, series: Series) -> None:
        color = STYLES[self.net]["color"]
        axes.stairs(self.counts, self.edges, fill=True, baseline=0.5, color=color)
        axes.set_axisbelow(True)
        density = np.exp(-(self.edges**2) / 2) / np.sqrt(2 * np.pi)
        expected = self.counts.sum() * (self.edges[1] - self.edges[0]) * density
        axes.plot(self.edges, expected, color="black", linewidth=1)
        axes.set_yscale("log")
        axes.set_ylim(0.5, 2 * self.counts.sum())


@dataclass(frozen=True, kw_only=True)
class Image(Panel):
    """A matrix as colours, the first row at the top unless `edges` are given.

    Attributes
    ----------
    values
        The matrix (rows, columns).
    limits
        What the ends of the colour scale stand for.
    bar
        Label of the colour bar, which all images with the same label share.
    log
        Whether the colour scale is logarithmic.
    edges
        Left, right, bottom and top of the matrix, its first row at the bottom.
    square
        Whether entries are drawn as squares.
    levels
        Number of contour lines; 0 for none.
    """

    values: Array
    limits: tuple[float, float]
    bar: str
    log: bool = False
    edges: tuple[float, float, float, float] | None = None
    square: bool = False
    levels: int = 0

    @property
    def colour_label(self) -> str:
        """What the colours mean."""
        return self.bar

    def _paint(self, axes: Axes, series: Series) -> ScalarMappable:
        norm = (LogNorm if self.log else Normalize)(*self.limits)
        axes.grid(visible=False)
        if self.levels:
            return self._contours(axes, norm)
        colours: Any = mpl.colormaps["cividis"].copy()
        if self.values.max() > self.limits[1]:
            colours.colorbar_extend = "max"
        return axes.imshow(
            self.values,
            norm=norm,
            cmap=colours,
            aspect="equal" if self.square else "auto",
            origin="upper" if self.edges is None else "lower",
            extent=self.edges,
            interpolation="nearest",
        )

    def _contours(self, axes: Axes, norm: Normalize) -> ScalarMappable:
        assert self.edges is not None
        rows, columns = self.values.shape
        x, y = np.linspace(*self.edges[:2], columns), np.linspace(*self.edges[2:], rows)
        levels = (np.geomspace if self.log else np.linspace)(*self.limits, self.levels)
        shown = np.clip(self.values, *self.limits)
        axes.set_aspect("equal")
        filled = axes.contourf(x, y, shown, levels=levels, norm=norm, cmap="cividis")
        axes.contour(x, y, shown, levels=levels, colors="black", linewidths=0.4)
        return filled
