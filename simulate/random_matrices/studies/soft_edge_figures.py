"""Figures of extreme singular values and their limit laws.

Solid lines in the first colour show the claimed law, dashed lines in the second the control, so
that they can be distinguished in greyscale.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.laws.edge_law import EdgeLaw
from bnproof.simulate.random_matrices.laws.tracy_widom import TracyWidom
from bnproof.simulate.random_matrices.spectra.figures import BLUE, RED
from bnproof.theory.claim import Claim, Evidence

GREY: Final = "0.8"
BINS: Final = np.linspace(-5, 3, 17)
LAWS: Final = {"real": 1, "complex": 2}


def draw(figure: Figure, claim: Claim, evidence: Evidence) -> str:
    """Histograms of the standardised largest values with both Tracy-Widom laws.

    Returns
    -------
    str
        The text alternative.
    """
    factors = list(dict.fromkeys(name.split()[0] for name in evidence.series))
    panels = figure.subplots(2, len(factors), sharex=True, sharey=True, squeeze=False)
    points = np.linspace(BINS[0], BINS[-1], 200)
    for name, values in evidence.series.items():
        number, field = name.split()
        beta = LAWS[field]
        axes = panels[beta - 1, factors.index(number)]
        axes.hist(values, BINS, density=True, color=GREY, label="sampled")
        own, other = (TracyWidom(b).pdf(points) for b in (beta, 3 - beta))
        axes.plot(points, own, color=BLUE, label="Tracy-Widom law of the field")
        axes.plot(points, other, "--", color=RED, label="law of the other field")
        axes.set_title(f"M = {number}, {field}")
    for axes in panels[-1]:
        axes.set_xlabel("standardised largest s²")
    for axes in panels[:, 0]:
        axes.set_ylabel("density")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    largest = evidence.numbers["N"][-1]
    verb = "follows" if evidence.holds else "does not follow"
    finding = f"largest s² {verb} Tracy-Widom, beta = 1 real, 2 complex (N = {largest})"
    figure.suptitle(f"{claim.id}: {finding}")
    return (
        f"Histograms of the standardised largest squared singular value for M = "
        f"{', '.join(factors)}, real above and complex below, with the Tracy-Widom laws for "
        f"beta = 1 and 2: {finding}."
    )


def draw_hard_edge(
    figure: Figure, samples: Mapping[int, Mapping[int, Array]], laws: Mapping[int, EdgeLaw]
) -> str:
    """Distribution functions of the scaled smallest values, on a logarithmic axis, with the law.

    Parameters
    ----------
    figure
        Figure to draw on.
    samples
        For each M, the scaled smallest squared singular values for each size N.
    laws
        For each M, the limit law.

    Returns
    -------
    str
        The text alternative.
    """
    panels = figure.subplots(1, len(samples), sharey=True, squeeze=False)[0]
    gaps: list[float] = []
    for axes, (factors, sizes) in zip(panels, samples.items(), strict=True):
        law = laws[factors]
        x = np.geomspace(law.ppf(2e-3), law.isf(1e-4), 300)
        ends = (min(sizes), max(sizes))
        for size, line, colour in zip(ends, (":", "--"), ("0.45", RED), strict=True):
            values = np.sort(sizes[size])
            ranks = np.arange(1, len(values) + 1) / len(values)
            axes.step(values, ranks, line, where="post", color=colour, label=f"N = {size}")
            gap = float(np.abs(law.cdf(values) - ranks).max())
        gaps.append(gap)
        axes.plot(x, law.cdf(x), color=BLUE, label="limit law", linewidth=1)
        axes.set_xscale("log")
        axes.set_xlim(x[0], x[-1])
        axes.set_xlabel("N^(M+1) s²")
        axes.set_title(f"M = {factors}")
        axes.legend(loc="upper left")
    panels[0].set_ylabel("share below")
    largest = max(max(sizes) for sizes in samples.values())
    finding = (
        f"smallest s² of complex products: at most {max(gaps):.2g} from the limit law at "
        f"N = {largest}"
    )
    figure.suptitle(finding)
    return f"Distribution functions for M = {', '.join(map(str, samples))}: {finding}."
