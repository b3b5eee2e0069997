"""Figures of spectra and their law: density, quantiles, distance by size, p-values.

Each function draws on a given figure and returns the alt text.  Titles state the finding.  Colours
are those of Okabe and Ito (2008), each with its own line style or marker.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy.stats import kstwo

from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.simulate.random_matrices.spectra.figures import BLUE, GREEN, PINK, RED
from bnproof.simulate.random_matrices.spectra.goodness_of_fit import (
    LEVEL,
    PValue,
    distance,
    null_distances,
    p_value,
)
from bnproof.simulate.random_matrices.spectra.sampling import Field, sample_singular_values
from bnproof.simulate.random_matrices.studies.law import Trend

STYLES: Final = ((BLUE, "-"), (RED, "--"), (GREEN, "-."), (PINK, ":"))
POINTS: Final = 400
BINS: Final = 60
NULL: Final = 5  # simulated spectra per tested one, for the calibrated p-values


def draw_density(figure: Figure, values: ArrayLike, factors: int) -> str:
    """Histogram of log10 of singular values with the density of the law.

    Parameters
    ----------
    figure
        An empty figure.
    values
        Singular values of products of M = `factors` square matrices with entries of variance 1/N;
        the last axis is one spectrum.  Zeros are not shown.
    """
    values = np.asarray(values, dtype=float)
    law = FussCatalan(factors).root()
    axes = figure.subplots()
    low = min(float(law.ppf(0.5 / values.size)), float(values[values > 0].min()))
    grid = np.linspace(np.log10(low), np.log10(law.support()[1]), POINTS + 1)[:-1]
    counts, edges = np.histogram(np.log10(values[values > 0]), bins=BINS)
    shares = counts / values.size / np.diff(edges)
    axes.stairs(shares, edges, fill=True, color="0.8", label=f"{values.size:,} values")
    axes.plot(grid, law.pdf(10**grid) * 10**grid * np.log(10), color=BLUE, label="law")
    axes.set_xlabel("log10 s")
    axes.set_ylabel("density of log10 s")
    axes.legend()
    gap = distance(values, law)
    axes.set_title(f"M = {factors}: mass of the sample differs from the law's by at most {gap:.2g}")
    return (
        f"Histogram of the logarithm of {values.size} singular values for M = {factors} with the "
        f"density of the law; their distribution functions differ by at most {gap:.2g}."
    )


def draw_quantiles(figure: Figure, values: ArrayLike, factors: int, *, seed: int = 0) -> str:
    """Sorted singular values against quantiles of the law, on logarithmic axes, and their ratio.

    `values` is one spectrum with at least one positive value.
    """
    spectrum = np.sort(np.asarray(values, dtype=float), axis=None)
    law = FussCatalan(factors).root()
    expected = law.ppf((np.arange(len(spectrum)) + 0.5) / len(spectrum))
    inside = spectrum > 0
    left, right = figure.subplots(1, 2)
    left.plot(expected, expected, color="0.4", label="equal")
    left.plot(expected[inside], spectrum[inside], ".", color=BLUE, label="spectrum")
    left.set_xscale("log")
    left.set_yscale("log")
    left.set_xlabel("quantile of the law")
    left.set_ylabel("singular value")
    left.legend()
    right.axhline(1, color="0.4")
    right.plot(
        (np.arange(len(spectrum)) + 0.5)[inside] / len(spectrum),
        (spectrum / expected)[inside],
        ".",
        color=BLUE,
    )
    right.set_xlabel("share of the spectrum below")
    right.set_ylabel("singular value / quantile")
    ratio = (spectrum / expected)[inside][len(spectrum) // 10 :]
    test = p_value(spectrum, factors, seed=seed, repeats=200) if len(spectrum) <= 500 else None
    words = (
        f"above the lowest tenth it is within {np.abs(ratio - 1).max():.1%} of the law's quantiles"
    )
    chance = "" if test is None else f" (calibrated p = {test.value:.2g})"
    figure.suptitle(f"M = {factors}, N = {len(spectrum)}: {words}{chance}")
    return f"Quantiles of one spectrum of {len(spectrum)} values, M = {factors}: {words}{chance}."


def draw_trend(figure: Figure, trends: Mapping[str, Trend]) -> str:
    """Distance of one spectrum from the law against N, on logarithmic axes, one line per trend.

    `trends` are `bnproof.simulate.random_matrices.studies.law.Trend` by name, at most four.
    """
    axes = figure.subplots()
    words = []
    for (name, trend), (colour, line) in zip(trends.items(), STYLES, strict=False):
        axes.errorbar(
            trend.sizes, trend.distances, trend.errors,
            color=colour, linestyle=line, marker="o", capsize=2,
            label=f"{name}: N^{trend.slope:.2f}",
        )  # fmt: skip
        words.append(f"{name} as N^{trend.slope:.2f}")
    sizes = np.array(next(iter(trends.values())).sizes)
    axes.plot(
        sizes, kstwo.mean(sizes), color="0.5", linestyle=(0, (1, 3)), label="independent points"
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sizes, [f"{size}" for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel("N")
    axes.set_ylabel("distance of one spectrum from the law")
    axes.legend()
    axes.set_title(f"Distance from the law: {', '.join(words)}")
    return f"Distance of one spectrum from the law against N: {', '.join(words)}."


def draw_p_values(
    figure: Figure,
    factors: int,
    sizes: Sequence[int],
    *,
    field: Field = "real",
    repeats: int = 200,
    seed: int = 0,
) -> str:
    """Both kinds of p-values of spectra that follow the law, for up to three sizes.

    A p-value is correct if its distribution is uniform, so that its curve is the diagonal.
    """
    law = FussCatalan(factors).root()
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.5", linewidth=1)
    least, medians = 1.0, []
    for size, (colour, line) in zip(sizes, STYLES, strict=False):
        rows = sample_singular_values([size] * (factors + 1), repeats, field=field, seed=seed)
        null = null_distances(factors, size, field=field, repeats=NULL * repeats, seed=seed)
        tests = [PValue.of(distance(row, law), size, null) for row in rows.numpy()]
        share = np.arange(1, repeats + 1) / repeats
        right = np.sort([test.value for test in tests])
        medians.append(float(np.median(right)))
        wrong = np.sort([test.ordinary for test in tests])
        least = min(least, float(wrong[0]))
        axes.step(right, share, color=colour, linestyle=line, where="post", linewidth=1)
        axes.step(
            wrong, share, color=colour, linestyle=line, where="post", linewidth=2.5,
            label=f"N = {size}: 5 % lie beyond D = {np.quantile(null, 1 - LEVEL):.2g}, of "
            f"independent points beyond {kstwo.isf(LEVEL, size):.2g}",
        )  # fmt: skip
    axes.set_xlim(-0.01, 1.01)
    axes.set_xlabel("p-value (thin: calibrated; thick: for independent points)")
    axes.set_ylabel("share of spectra at or below")
    figure.legend(loc="outside lower center")
    words = (
        f"ordinary p-values are never below {least:.2g}, calibrated ones have the medians "
        f"{', '.join(f'{median:.2g}' for median in medians)}"
    )
    axes.set_title(f"{repeats} {field} spectra that follow the law, M = {factors}:\n{words}")
    return (
        f"Distribution of p-values of {repeats} spectra that follow the law, M = {factors}, for N "
        f"= {', '.join(map(str, sizes))}: {words}."
    )
