"""Figures of spectra and the law of their widths; figures 8, 9 and 20 of S3 with the law corrected.

S3 prints density (5) as that of the singular values; it is that of their squares.  Solid lines show
the corrected law, dashed lines the printed one.  Each function draws on a given figure and returns
the alt text.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
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
PANELS: Final = 6
TICKS: Final = (0, 0.1, 0.5, 1, 2, 4, 8, 16, 32)
SMALLEST: Final = 1e-300  # smallest value that an axis of s can show


def draw_spectra(figure: Figure, spectra: Sequence[Spectrum], *, log: bool = False) -> str:
    """Histogram of each spectrum with its law, and the printed law if the widths are equal.

    Parameters
    ----------
    figure
        An empty figure.
    spectra
        One to `PANELS`.
    log
        Whether to show the distribution of log10 s instead of s.

    Raises
    ------
    UserError
        If there are too many, or a singular value is too small for an axis of s.
    """
    if len(spectra) > PANELS:
        raise UserError(f"{len(spectra)} spectra: a figure has at most {PANELS}; name layers")
    panels = figure.subplots(1, len(spectra), squeeze=False)[0]
    words = []
    for axes, spectrum in zip(panels, spectra, strict=True):
        gap = float(spectrum.distances.mean())
        words.append(f"{spectrum.name}: {gap:.2g}")
        if log:
            _log_panel(axes, spectrum)
        else:
            _panel(axes, spectrum, TICKS if len(spectra) < 3 else TICKS[::2])
        if len(spectra) > 1:
            axes.set_title(spectrum.name, parse_math=False)
    panels[0].set_ylabel("density of log10 s" if log else "density of s (log scale)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    figure.suptitle(f"Distance of the spectrum from the law of its widths: {', '.join(words)}")
    return (
        "Histograms of singular values with the limiting density of their widths"
        f"{' and, dashed, density (5) of S3 read as that of s' if _printed(spectra[0]) else ''}; "
        f"Kolmogorov-Smirnov distance from the law: {', '.join(words)}."
    )


def _printed(spectrum: Spectrum) -> bool:
    return len(set(spectrum.widths)) == 1


def _panel(axes: Axes, spectrum: Spectrum, ticks: Sequence[float]) -> None:
    """Density of s on a square-root axis, which resolves the rise at 0."""
    smallest = spectrum.logs.min()
    if np.isfinite(smallest) and smallest < np.log(SMALLEST):
        raise UserError(
            f"{spectrum.name}: the smallest singular value is 1e{smallest / np.log(10):.0f}, too "
            "small to be drawn; use --log"
        )
    values, law = np.exp(spectrum.logs), spectrum.law
    right = max(values.max(), law.support()[1]) * 1.02
    edges = np.linspace(0, np.sqrt(right), BINS + 1) ** 2
    counts = np.histogram(values, edges)[0]
    density = counts / values.size / np.diff(edges)
    axes.stairs(density, edges, fill=True, color="0.8", label=f"{values.size:,} values")
    least, most = np.sqrt(law.support())
    grid = np.linspace(least, most, POINTS + 2)[1:-1] ** 2
    axes.plot(grid, law.pdf(grid), color=RIGHT, linestyle="-", label="law")
    if _printed(spectrum):
        plain = FussCatalan(len(spectrum.widths) - 1)
        grid = np.linspace(0, np.sqrt(plain.support()[1]), POINTS + 2)[1:-1] ** 2
        axes.plot(grid, plain.pdf(grid), color=PRINTED, linestyle="--", label="law as printed")
    _square_root_axis(axes, right, ticks)


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
    logs = spectrum.logs[np.isfinite(spectrum.logs)] / np.log(10)
    counts, edges = np.histogram(logs, bins=BINS)
    density = counts / spectrum.logs.size / np.diff(edges)
    label = f"{spectrum.logs.size:,} values"
    axes.stairs(density, edges, fill=True, color="0.8", label=label)
    low, high = max(edges[0], np.log10(SMALLEST)), np.log10(spectrum.law.support()[1])
    grid = np.linspace(low, high, POINTS + 1)[:-1]
    density = spectrum.law.pdf(10**grid) * 10**grid * np.log(10)
    axes.plot(grid, density, color=RIGHT, linestyle="-", label="law")
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


def draw_condition(figure: Figure, spectra: Sequence[Spectrum]) -> str:
    """Figure 20 of S3: condition number of the product against the number of factors.

    `spectra` has one spectrum per number of factors, all of square factors of the same size.
    """
    axes = figure.subplots()
    factors = [len(spectrum.widths) - 1 for spectrum in spectra]
    digits = [spectrum.condition for spectrum in spectra]
    middle = np.array([np.median(row) for row in digits])
    spread = np.abs(np.array([[row.min(), row.max()] for row in digits]).T - middle)
    axes.errorbar(
        factors, middle, yerr=spread, color=RIGHT, marker="o", linestyle="-", capsize=3,
        label="median and range of the products",
    )  # fmt: skip
    kind = spectra[0].provenance["entries"]
    exponents = [condition_digits(spectrum.widths, kind) for spectrum in spectra]
    axes.plot(
        factors, exponents, color="0.4", linestyle="--",
        label="difference of the Lyapunov exponents, times M",
    )  # fmt: skip
    axes.set_xticks(factors)
    axes.set_xlabel("number of factors M")
    axes.set_ylabel("log10 of the condition number")
    axes.legend()
    slope = (middle[-1] - middle[0]) / max(factors[-1] - factors[0], 1)
    size = spectra[0].widths[0]
    axes.set_title(f"N = {size}: each further factor costs {slope:.2f} digits of condition")
    medians = ", ".join(f"{value:.1f}" for value in middle)
    return (
        f"Decadic logarithm of the condition number of products of {size} x {size} Gaussian "
        f"matrices against their number {', '.join(map(str, factors))}: medians {medians}."
    )


def _root(s: Array) -> Array:
    return np.sqrt(np.maximum(s, 0))
