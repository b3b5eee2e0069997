"""Compare sampled singular values of products of Gaussian matrices with the Fuss-Catalan law.

Measured is the Kolmogorov-Smirnov distance of **one** spectrum of N values from the law, averaged
over independent spectra, for a ladder of N.  If the law is the right one the distance tends to 0;
the singular values repel one another, so that it goes nearly as 1/N (fitted slopes -0.78 to -0.92
over 20 seeds of these ladders), where N independent points would give N**(-1/2).  If the law is a
wrong one the distance tends to its distance from the right one: 0.18 to 0.20 for singular values
in place of their squares.  For the spectra of the smallest N the evidence gives p-values too, both
the calibrated ones and, to show how far off they are, those for independent points.

The criterion, the same for statement and control, for every M: the fitted slope of log D against
log N lies in `SLOPE`, and D at the largest N is below `BOUND`, a tenth of the distance between
the two laws.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm import tqdm

from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.simulate.random_matrices.spectra.goodness_of_fit import (
    PValue,
    distance,
    null_distances,
)
from bnproof.simulate.random_matrices.spectra.sampling import product_singular_values
from bnproof.simulate.random_matrices.studies import table as studies
from bnproof.theory.claim import Claim, Evidence, Kind, Scale, Settings, SpectrumTest

Array = NDArray[np.float64]

SLOPE: Final = (-1.5, -0.5)
BOUND: Final = 0.02
SIZES: Final = {
    Scale.SMOKE: (32, 64, 128, 256),
    Scale.QUICK: (125, 250, 500, 1000),
    Scale.PAPER: (250, 500, 1000, 2000),
}
# Figure 9 of S3 has N = 1000 and ten repeats.
REPEATS: Final = {Scale.SMOKE: 20, Scale.QUICK: 10, Scale.PAPER: 10}
NULL: Final = 200  # simulated spectra behind a calibrated p-value
BINS: Final = 60
TICKS: Final = (0, 0.2, 1, 2, 4, 8)
EACH: Final = "distance of one spectrum"
# What may follow density (5): singular values, or their squares.
POWERS: Final = {"s": 1, "s^2": 2}


@dataclass(frozen=True)
class Trend:
    """Distances of spectra from a law over a ladder of sizes, for one M and one power.

    Attributes
    ----------
    sizes
        The sizes N, ascending.
    distances
        Mean distance of one spectrum from the law, one a size.
    errors
        Standard errors of these means.
    pooled
        Distance of all values of the largest size, pooled.
    """

    sizes: tuple[int, ...]
    distances: tuple[float, ...]
    errors: tuple[float, ...]
    pooled: float

    @property
    def slope(self) -> float:
        """Fitted exponent a of D = c N**a."""
        return float(np.polyfit(np.log(self.sizes), np.log(self.distances), 1)[0])

    @property
    def shrinks(self) -> bool:
        """Whether the distance goes to 0 by the criterion of this module."""
        return SLOPE[0] <= self.slope <= SLOPE[1] and self.distances[-1] < BOUND

    def numbers(self) -> dict[str, Any]:
        """What was measured, ready for JSON."""
        return {
            EACH: [float(f"{value:.3e}") for value in self.distances],
            "standard error": [float(f"{value:.1e}") for value in self.errors],
            "slope": round(self.slope, 3),
            "pooled distance at the largest N": float(f"{self.pooled:.3e}"),
            "shrinks": self.shrinks,
        }


@lru_cache(maxsize=64)
def spectra(factors: int, size: int, repeats: int, seed: int, device: str) -> Array:
    """Sampled singular values, (repeats, size), read-only and kept for the next claim."""
    values = product_singular_values(factors, size, repeats, seed=seed, device=device).numpy()
    values.flags.writeable = False
    return values


def trend(samples: list[Array], power: int, law: FussCatalan) -> Trend:
    """Distance of s**power from `law` for samples (repeats, N) of ascending N."""
    each = [[distance(row**power, law) for row in sample] for sample in samples]
    return Trend(
        tuple(sample.shape[1] for sample in samples),
        tuple(float(np.mean(values)) for values in each),
        tuple(float(np.std(values, ddof=1) / len(values) ** 0.5) for values in each),
        distance(samples[-1] ** power, law),
    )


def p_values(rows: Array, answer: str, factors: int, seed: int) -> dict[str, Any]:
    """P-values of spectra (repeats, N) for `answer` to follow the law, ready for JSON."""
    size, law = rows.shape[1], FussCatalan(factors)
    null = null_distances(factors, size, repeats=NULL, seed=seed)
    found = [PValue.of(distance(row ** POWERS[answer], law), size, null) for row in rows]
    values = [item.value for item in found]
    return {
        f"p-values of {len(rows)} spectra at N = {size}": {
            "median, calibrated": float(f"{np.median(values):.3g}"),
            "least, calibrated": float(f"{min(values):.3g}"),
            "standard error at most": float(f"{max(item.error for item in found):.1g}"),
            "simulated spectra": NULL,
            "least for independent points": float(f"{min(item.ordinary for item in found):.3g}"),
        }
    }


def check(claim: Claim, settings: Settings) -> Evidence:
    """Compare s or its square, as the claim's `SpectrumTest` means say, with density (5).

    Raises
    ------
    ValueError
        If the means name another answer than those of `POWERS`.
    """
    spec = studies.spec_of(claim, POWERS)
    sizes, repeats = SIZES[settings.scale], REPEATS[settings.scale]
    jobs = [(factors, size) for factors in spec.factors for size in sizes]
    samples: dict[int, list[Array]] = {factors: [] for factors in spec.factors}
    for factors, size in tqdm(jobs, desc=claim.id, unit="size", leave=False, disable=None):
        samples[factors].append(spectra(factors, size, repeats, settings.seed, settings.device))
    stated, control = (
        {M: trend(samples[M], POWERS[answer], FussCatalan(M)) for M in spec.factors}
        for answer in (spec.statement, spec.control)
    )
    holds = all(item.shrinks for item in stated.values())
    control_holds = all(item.shrinks for item in control.values())
    return Evidence(
        Kind.SPECTRA,
        holds,
        holds != control_holds,
        _summary(spec, stated, control),
        {
            f"M = {M}": {
                f"{spec.statement} (statement)": stated[M].numbers()
                | p_values(samples[M][0], spec.statement, M, settings.seed),
                f"{spec.control} (control)": control[M].numbers()
                | p_values(samples[M][0], spec.control, M, settings.seed),
                "right end of the law": FussCatalan(M).support()[1],
                "largest s^2 at the largest N": float(samples[M][-1].max() ** 2),
                "mean s^2 at the largest N": float((samples[M][-1] ** 2).mean()),
            }
            for M in spec.factors
        }
        | {"N": list(sizes), "slope must lie in": list(SLOPE), "last distance below": BOUND},
        studies.provenance(spec, settings, repeats=repeats, entries="independent N(0, 1/N), real"),
        {f"{M}": _histogram(samples[M][-1], M) for M in spec.factors},
    )


def _summary(spec: SpectrumTest, stated: dict[int, Trend], control: dict[int, Trend]) -> str:
    def words(trends: dict[int, Trend]) -> str:
        last = [item.distances[-1] for item in trends.values()]
        slopes = [item.slope for item in trends.values()]
        return (
            f"{min(last):#.2g} to {max(last):#.2g} at N = {stated[spec.factors[0]].sizes[-1]}, "
            f"fitted exponent of N {min(slopes):.2f} to {max(slopes):.2f}"
        )

    verb = "goes" if all(item.shrinks for item in stated.values()) else "does not go"
    factors = ", ".join(map(str, spec.factors))
    return (
        f"For M = {factors} the distance of {spec.statement} from density (5) {verb} to 0 "
        f"({words(stated)}); control, {spec.control}: {words(control)}."
    )


def _histogram(sample: Array, factors: int) -> dict[str, Array]:
    """Density of the sampled singular values, in bins equally wide in the square root of s."""
    right = np.sqrt(FussCatalan(factors).support()[1]) * 1.02
    edges = np.linspace(0, np.sqrt(right), BINS + 1) ** 2
    counts = np.histogram(sample, edges)[0]
    return {"edges": edges, "density": counts / (sample.size * np.diff(edges))}


def draw(figure: Figure, claim: Claim, evidence: Evidence) -> str:
    """Histograms of the singular values with both densities, as in Figures 8 and 9 of S3.

    Solid: (5) as the density of s**2, turned into one of s.  Dashed: (5) taken for the density of
    s itself.  The horizontal axis is scaled as the square root, so that the rise at 0 can be seen.

    Returns
    -------
    str
        The text alternative.
    """
    panels = figure.subplots(1, len(evidence.series), sharey=True, squeeze=False)[0]
    for axes, (name, data) in zip(panels, evidence.series.items(), strict=True):
        factors = int(name)
        plain = FussCatalan(factors)
        squared = plain.root()
        axes.stairs(data["density"], data["edges"], fill=True, color="0.8", label="sampled s")
        for law, line, colour, label in (
            (squared, "-", "#0072B2", "(5) as the density of s²"),
            (plain, "--", "#D55E00", "(5) as the density of s, as printed"),
        ):
            points = np.linspace(0.02, np.sqrt(law.support()[1]), 400) ** 2
            axes.plot(points, law.pdf(points), linestyle=line, color=colour, label=label)
        axes.set_xscale("function", functions=(_root, np.square))
        axes.set_yscale("log")
        axes.set_ylim(0.005, 20)
        axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
        axes.set_xlim(0, plain.support()[1] * 1.02)
        axes.set_xlabel("s (square-root scale)")
        axes.set_title(f"M = {factors}")
    panels[0].set_ylabel("density of s (log scale)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    finding = _finding(claim.check_of(SpectrumTest), evidence)
    figure.suptitle(f"{claim.id}: {finding}")
    return (
        f"Histograms of sampled singular values s of products of {', '.join(evidence.series)} "
        f"Gaussian matrices, with density (5) of s squared and, dashed, of s as printed: {finding}."
    )


def _finding(spec: SpectrumTest, evidence: Evidence) -> str:
    last = [
        evidence.numbers[f"M = {name}"][f"{spec.statement} (statement)"][EACH][-1]
        for name in evidence.series
    ]
    verb = "falls to" if evidence.holds else "stays at"
    name = spec.statement.replace("^2", "²")
    return (
        f"distance of {name} from (5) {verb} {min(last):#.2g} to {max(last):#.2g} "
        f"at N = {evidence.numbers['N'][-1]}"
    )


def _root(s: Array) -> Array:
    return np.sqrt(np.maximum(s, 0))
