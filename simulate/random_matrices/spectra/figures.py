"""Figures of spectra and the law of their widths; figures 8, 9 and 20 of S3 with the law corrected.

S3 prints density (5) as that of the singular values; it is that of their squares.  Solid lines show
the corrected law, dashed lines the printed one.  Each function draws on a given figure and returns
the alt text.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.simulate.random_matrices.spectra.spectrum import Spectrum, condition_digits
from bnproof.theory.common.errors import UserError

BLUE, RED, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"  # Okabe and Ito (2008)
MARKS: Final = ("o", "s", "^", "D", "v", "P")
RIGHT, PRINTED = BLUE, RED
POINTS: Final = 400
BINS: Final = 60
FEWEST_BINS: Final = 10
PANELS: Final = 24
ACROSS: Final = 4  # panels of a row
NARROW: Final = 3  # panels that fit into the usual width
PANEL_WIDTH, PANEL_HEIGHT = 2.9, 2.7  # inches, of more panels
LETTERS: Final = 28  # of a name above a panel
TICKS: Final = (0, 0.1, 0.5, 1, 2, 4, 8, 16, 32)
SMALLEST: Final = 1e-300  # smallest value that an axis of s can show


def draw_spectra(figure: Figure, spectra: Sequence[Spectrum], *, log: bool = False) -> str:
    """Histogram of each spectrum with its law, and the printed law for equal widths of samples.

    Parameters
    ----------
    figure
        An empty figure, which is enlarged for many spectra.
    spectra
        At least one; the first `PANELS` are drawn.
    log
        Whether to show the distribution of log10 s instead of s.

    Raises
    ------
    UserError
        If a singular value is too small for an axis of s.
    """
    drawn = spectra[:PANELS]
    across = min(len(drawn), ACROSS)
    down = -(-len(drawn) // across)
    if len(drawn) > NARROW:
        figure.set_size_inches(PANEL_WIDTH * across, PANEL_HEIGHT * down + 1)
    panels = figure.subplots(down, across, squeeze=False)
    for axes in panels.flat[len(drawn) :]:
        axes.remove()
    for axes, spectrum in zip(panels.flat, drawn, strict=False):
        if log:
            _log_panel(axes, spectrum)
        else:
            _panel(axes, spectrum, TICKS if len(drawn) < NARROW else TICKS[::2])
        axes.set_title(_panel_title(spectrum), parse_math=False, fontsize="small")
    for axes in panels[:, 0]:
        axes.set_ylabel("density of log10 s" if log else "density of s (log scale)")
    entries: dict[str, Artist] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=2)
    more = f" (first {PANELS} of {len(spectra)})" if len(spectra) > PANELS else ""
    law = " and the law of their widths" if any(item.law for item in drawn) else ""
    figure.suptitle(f"Singular values{law}{more}")
    words = ", ".join(
        f"{item.name}: {float(item.distances.mean()):.2g}" if item.law else f"{item.name}: no law"
        for item in drawn
    )
    printed = any(_printed(spectrum) for spectrum in drawn)
    return (
        "Histograms of singular values with the limiting density of their widths"
        f"{' and, dashed, density (5) of S3 read as that of s' if printed else ''}; "
        f"Kolmogorov-Smirnov distance from the law: {words}."
    )


def _panel_title(spectrum: Spectrum) -> str:
    """Name, cut in the middle, and what was found."""
    name, half = spectrum.name, LETTERS // 2
    if len(name) > LETTERS:
        name = f"{name[: half - 1]}…{name[-half:]}"
    beyond = {0: "", 1: ", 1 outlier"}.get(spectrum.outliers, f", {spectrum.outliers} outliers")
    gap = f", distance {float(spectrum.distances.mean()):.2g}" if spectrum.law else ""
    return f"{name}\n{np.isfinite(spectrum.logs).sum():,} values{gap}{beyond}"


def _drawn(spectrum: Spectrum) -> Array:
    """All logarithms, but of Jacobians the finite ones, as only nonzero values have a law."""
    jacobian = "Jacobian" in spectrum.provenance
    return spectrum.logs[np.isfinite(spectrum.logs)] if jacobian else spectrum.logs


def _printed(spectrum: Spectrum) -> bool:
    """Whether S3 says anything of this spectrum: of square Gaussian factors, not of weights."""
    return len(set(spectrum.widths)) == 1 and "entries" in spectrum.provenance


def _panel(axes: Axes, spectrum: Spectrum, ticks: Sequence[float]) -> None:
    """Density of s on a square-root axis, which resolves the rise at 0."""
    logs = _drawn(spectrum)
    smallest = logs.min()
    if np.isfinite(smallest) and smallest < np.log(SMALLEST):
        raise UserError(
            f"{spectrum.name}: the smallest singular value is 1e{smallest / np.log(10):.0f}, too "
            "small to be drawn; use --log"
        )
    values, law = np.exp(logs), spectrum.law
    right = max(values.max(), law.support()[1] if law else 0) * 1.02
    edges = np.linspace(0, np.sqrt(right), _bins(values.size) + 1) ** 2
    density = np.histogram(values, edges)[0] / values.size / np.diff(edges)
    axes.stairs(density, edges, fill=True, color="0.8", label="singular values")
    _mark(axes, spectrum, np.exp(spectrum.logs[0, : spectrum.outliers]))
    if law:
        least, most = np.sqrt(law.support())
        grid = np.linspace(least, most, POINTS + 2)[1:-1] ** 2
        axes.plot(grid, law.pdf(grid), color=RIGHT, linestyle="-", label="limiting law")
    if _printed(spectrum):
        plain = FussCatalan(len(spectrum.widths) - 1)
        grid = np.linspace(0, np.sqrt(plain.support()[1]), POINTS + 2)[1:-1] ** 2
        axes.plot(grid, plain.pdf(grid), color=PRINTED, linestyle="--", label="law as printed")
    _square_root_axis(axes, right, ticks)


def _bins(count: int) -> int:
    """Fewer bins for few values."""
    return int(np.clip(count // 4, FEWEST_BINS, BINS))


def _mark(axes: Axes, spectrum: Spectrum, places: Array) -> None:
    """Mark the outliers on the axis."""
    if spectrum.outliers:
        axes.plot(
            places, np.full(len(places), 0.03), "v", color=GREEN, markersize=4, clip_on=False,
            transform=axes.get_xaxis_transform(), label="outliers beyond the edge of the law",
        )  # fmt: skip


def _square_root_axis(axes: Axes, right: float, ticks: Sequence[float]) -> None:
    axes.set_xscale("function", functions=(_root, np.square))
    axes.set_yscale("log")
    axes.set_ylim(0.005, 20)
    axes.set_xlim(0, right)
    ticks = [tick for tick in ticks if tick <= right]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlabel("s (square-root scale)")


def _log_panel(axes: Axes, spectrum: Spectrum) -> None:
    """Density of log10 s."""
    every = _drawn(spectrum)
    logs = every[np.isfinite(every)] / np.log(10)
    counts, edges = np.histogram(logs, bins=_bins(logs.size))
    density = counts / every.size / np.diff(edges)
    axes.stairs(density, edges, fill=True, color="0.8", label="singular values")
    _mark(axes, spectrum, spectrum.logs[0, : spectrum.outliers] / np.log(10))
    low, law = max(edges[0], np.log10(SMALLEST)), spectrum.law
    if law:
        grid = np.linspace(low, np.log10(law.support()[1]), POINTS + 1)[:-1]
        density = law.pdf(10**grid) * 10**grid * np.log(10)
        axes.plot(grid, density, color=RIGHT, linestyle="-", label="limiting law")
    if _printed(spectrum):
        plain = FussCatalan(len(spectrum.widths) - 1)
        grid = np.linspace(low, np.log10(plain.support()[1]), POINTS + 1)[:-1]
        density = plain.pdf(10**grid) * 10**grid * np.log(10)
        axes.plot(grid, density, color=PRINTED, linestyle="--", label="law as printed")
    axes.set_xlabel("log10 s")


def draw_readings(
    figure: Figure,
    histograms: Mapping[int, tuple[Array, Array] | None],
    ticks: Sequence[float],
) -> None:
    """Density (5) for several M as that of s squared and as that of s, a panel each.

    `histograms` maps M to the density and the edges of the sampled singular values, if any.
    """
    panels = figure.subplots(1, len(histograms), sharey=True, squeeze=False)[0]
    for axes, (M, histogram) in zip(panels, histograms.items(), strict=True):
        if histogram is not None:
            axes.stairs(*histogram, fill=True, color="0.8", label="sampled s")
        for law, colour, line, label in (
            (FussCatalan(M).root(), RIGHT, "-", "(5) as the density of s²"),
            (FussCatalan(M), PRINTED, "--", "(5) as the density of s, as printed"),
        ):
            grid = np.linspace(0, np.sqrt(law.support()[1]), POINTS + 2)[1:-1] ** 2
            axes.plot(grid, law.pdf(grid), color=colour, linestyle=line, label=label)
        _square_root_axis(axes, FussCatalan(M).support()[1] * 1.02, ticks)
        axes.set_title(f"M = {M}")
    panels[0].set_ylabel("density of s (log scale)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)


def draw_laws(figure: Figure, factors: Sequence[int]) -> str:
    """Figure 8 of S3: density (5) for several M, corrected and as printed."""
    draw_readings(figure, dict.fromkeys(factors), (0, 1, 4, 8, 16))
    ends = ", ".join(f"{FussCatalan(M).root().support()[1]:.2f}" for M in factors)
    wrong = ", ".join(f"{FussCatalan(M).support()[1]:.2f}" for M in factors)
    figure.suptitle(f"Singular values end at {ends}, not at {wrong} as printed")
    return (
        f"Density (5) of S3 for M = {', '.join(map(str, factors))}, solid as the density of s "
        f"squared, with the right ends {ends}, dashed as that of s, with {wrong}."
    )


def draw_condition(
    figure: Figure, spectra: Sequence[Spectrum], others: Sequence[Spectrum] = (), name: str = ""
) -> str:
    """Figure 20 of S3: condition number of the product against the number of factors.

    `spectra` has one spectrum per number of factors, all of square factors of the same size;
    `others` those of networks with as many layers, which `name` describes.
    """
    axes = figure.subplots()
    factors = [len(spectrum.widths) - 1 for spectrum in spectra]
    plain = "products of Gaussian matrices" if others else "median and range of the products"
    middle = _errors(axes, spectra, RIGHT, "o", plain)
    kind = spectra[0].provenance["entries"]
    exponents = [condition_digits(spectrum.widths, kind) for spectrum in spectra]
    axes.plot(
        factors, exponents, color="0.4", linestyle="--",
        label="difference of the Lyapunov exponents, times M",
    )  # fmt: skip
    axes.set_xticks(factors)
    axes.set_xlabel("number of layers M" if others else "number of factors M")
    axes.set_ylabel("log10 of the condition number")
    steps = max(factors[-1] - factors[0], 1)
    slope = (middle[-1] - middle[0]) / steps
    size = spectra[0].widths[0]
    title = f"N = {size}: each further factor costs {slope:.2f} digits of condition"
    text = (
        f"Decadic logarithm of the condition number of products of {size} x {size} Gaussian "
        f"matrices against their number {', '.join(map(str, factors))}: medians {_listed(middle)}."
    )
    if others:
        beside = _errors(axes, others, PRINTED, "s", f"Jacobians of networks with {name}")
        rate = (beside[-1] - beside[0]) / steps
        title = f"N = {size}: {slope:.2f} digits of condition per layer, {rate:.2f} with {name}"
        text += f" Nonzero values of networks with {name}: medians {_listed(beside)}."
    axes.legend()
    axes.set_title(title, fontsize="medium")
    return text


def _errors(axes: Axes, spectra: Sequence[Spectrum], color: str, marker: str, label: str) -> Array:
    """Median and range of the condition number against depth; the medians."""
    digits = [spectrum.condition for spectrum in spectra]
    middle = np.array([np.median(row) for row in digits])
    spread = np.abs(np.array([[row.min(), row.max()] for row in digits]).T - middle)
    axes.errorbar(
        [len(spectrum.widths) - 1 for spectrum in spectra], middle, yerr=spread, color=color,
        marker=marker, linestyle="-", capsize=3, label=label,
    )  # fmt: skip
    return middle


def _listed(values: Array) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def _root(s: Array) -> Array:
    return np.sqrt(np.maximum(s, 0))
