"""Compare sampled singular values of products of Gaussian matrices with the Fuss-Catalan law.

The study measures the Kolmogorov-Smirnov distance D of **one** spectrum of N values from the law,
averaged over independent spectra, for a ladder of N.  If the law is correct, D tends to 0; as
singular values repel each other, it behaves nearly as 1/N (fitted slopes -0.78 to -0.92 over 20
seeds of these ladders), while N independent points would give N**(-1/2).  If the law is wrong, D
tends to its distance from the correct one: 0.18 to 0.20 for singular values instead of their
squares.  For the spectra of the smallest N the evidence also has p-values, both calibrated and, to
show how wrong these are, those for independent points.

The criterion, for statement and control and for every M: the fitted slope of log D against log N
lies in `SLOPE`, and D at the largest N is below `BOUND`, a tenth of the distance between the two
laws.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.simulate.random_matrices.spectra.figures import draw_readings
from bnproof.simulate.random_matrices.spectra.goodness_of_fit import (
    PValue,
    distance,
    null_distances,
)
from bnproof.simulate.random_matrices.spectra.sampling import product_singular_values
from bnproof.simulate.random_matrices.studies import table as studies
from bnproof.theory.claim import Claim, Evidence, Scale, Settings, SpectrumTest

SLOPE: Final = (-1.5, -0.5)
BOUND: Final = 0.02
SIZES: Final = {
    Scale.SMOKE: (32, 64, 128, 256),
    Scale.QUICK: (125, 250, 500, 1000),
    Scale.LONG: (250, 500, 1000, 2000),
    Scale.PAPER: (250, 500, 1000, 2000),
}
# Figure 9 of S3 has N = 1000 and ten repeats.
REPEATS: Final = {Scale.SMOKE: 20, Scale.QUICK: 10, Scale.LONG: 10, Scale.PAPER: 10}
NULL: Final = 200  # simulated spectra behind a calibrated p-value
BINS: Final = 60
TICKS: Final = (0, 0.2, 1, 2, 4, 8)
EACH: Final = "distance of one spectrum"
# The variable whose density is (5): singular values, or their squares.
ANSWERS: Final = {"s": 1, "s^2": 2}


@dataclass(frozen=True)
class Trend:
    """Distances of spectra from a law over a ladder of sizes, for one M and one power.

    Attributes
    ----------
    sizes
        The sizes N, ascending.
    distances
        Mean distance of one spectrum from the law, for each size.
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
        """Whether the distance tends to 0 by the criterion of this module."""
        return SLOPE[0] <= self.slope <= SLOPE[1] and self.distances[-1] < BOUND

    def numbers(self) -> dict[str, object]:
        """Measured values as JSON data."""
        return {
            EACH: [float(f"{value:.3e}") for value in self.distances],
            "standard error": [float(f"{value:.1e}") for value in self.errors],
            "slope": round(self.slope, 3),
            "pooled distance at the largest N": float(f"{self.pooled:.3e}"),
            "shrinks": self.shrinks,
        }


@lru_cache(maxsize=64)
def spectra(factors: int, size: int, repeats: int, seed: int, device: str) -> Array:
    """Sampled singular values, (repeats, size), read-only and cached for the next claim."""
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


def p_values(rows: Array, answer: str, factors: int, seed: int) -> dict[str, object]:
    """P-values of spectra (repeats, N) under the hypothesis `answer`, as JSON data."""
    size, law = rows.shape[1], FussCatalan(factors)
    null = null_distances(factors, size, repeats=NULL, seed=seed)
    tests = [PValue.of(distance(row ** ANSWERS[answer], law), size, null) for row in rows]
    values = [item.value for item in tests]
    return {
        f"p-values of {len(rows)} spectra at N = {size}": {
            "median, calibrated": float(f"{np.median(values):.3g}"),
            "least, calibrated": float(f"{min(values):.3g}"),
            "standard error at most": float(f"{max(item.error for item in tests):.1g}"),
            "simulated spectra": NULL,
            "least for independent points": float(f"{min(item.ordinary for item in tests):.3g}"),
        }
    }


def check(claim: Claim, spec: SpectrumTest, settings: Settings) -> Evidence:
    """Compare s or its square, as given by the claim's `SpectrumTest`, with density (5)."""
    sizes, repeats = SIZES[settings.scale], REPEATS[settings.scale]
    jobs = [(factors, size) for factors in spec.factors for size in sizes]
    samples: dict[int, list[Array]] = {factors: [] for factors in spec.factors}
    for factors, size in tqdm(jobs, desc=claim.id, unit="size", leave=False, disable=None):
        samples[factors].append(spectra(factors, size, repeats, settings.seed, settings.device))
    stated, control = (
        {M: trend(samples[M], ANSWERS[answer], FussCatalan(M)) for M in spec.factors}
        for answer in (spec.statement, spec.control)
    )
    holds = all(item.shrinks for item in stated.values())
    control_holds = all(item.shrinks for item in control.values())
    return studies.evidence(
        spec,
        settings,
        (holds, control_holds),
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
        {f"{M}": _histogram(samples[M][-1], M) for M in spec.factors},
        repeats=repeats,
        entries="independent N(0, 1/N), real",
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
    """Density of the sampled singular values, in bins of equal width in sqrt(s)."""
    right = np.sqrt(FussCatalan(factors).support()[1]) * 1.02
    edges = np.linspace(0, np.sqrt(right), BINS + 1) ** 2
    counts = np.histogram(sample, edges)[0]
    return {"edges": edges, "density": counts / (sample.size * np.diff(edges))}


def draw(figure: Figure, claim: Claim, evidence: Evidence) -> str:
    """Histograms of the singular values with both densities, as in Figures 8 and 9 of S3.

    Solid: (5) as the density of s**2, transformed to s.  Dashed: (5) as the density of s.  The
    square-root scale of the horizontal axis resolves the rise at 0.

    Returns
    -------
    str
        The alt text.
    """
    sampled = {int(M): (data["density"], data["edges"]) for M, data in evidence.series.items()}
    draw_readings(figure, sampled, TICKS)
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
