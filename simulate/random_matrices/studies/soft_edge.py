"""Extreme singular values of products of Gaussian matrices against their limit laws.

**Soft edge.**  Near its right end the density of the squared singular values is

    rho(x) = c sqrt(x_max - x),   pi c = x_max**(-3/2) sqrt(2(M+1)/M**3)

(`bnproof.theory.random_matrices.fuss_catalan_moments.edge_steps`), and that of the Airy process
``sqrt(-z)/pi``.  They agree, ``N rho(x) dx = sqrt(-z)/pi dz``, for ``z = (pi c N)**(2/3) (x -
x_max)``, so that

    z = N**(2/3) (2(M+1)/M**3)**(1/3) (s_1**2/x_max - 1)

tends to the Tracy-Widom law of the field (D.-Z. Liu, D. Wang, L. Zhang, 2016, arXiv:1412.6777, for
complex factors).  At finite N the mean of z has a bias of order N**(-2/3), and for real factors
another of order N**(-1/3), which vanishes if every width N is replaced by N - 1/2, that is x_max by
``x_max (1 - M/(2N))``: proved for M = 1 (Z. Ma, 2012, arXiv:1203.0839), measured for larger M.  In
the limit this shift makes no difference.

The criterion, for statement and control, every M and both fields: mean and standard deviation of
z, each extrapolated linearly in N**(-2/3), are within `SIGMAS` standard errors of those of the law.
The matrices are independent, so that Kolmogorov-Smirnov distances may be compared with their usual
quantiles, as long as these exceed the bias.

**Hard edge.**  For complex factors whose entries have mean square 1/n_i, ``N * prod_i n_i *
s_N**2`` tends to the law of `bnproof.simulate.random_matrices.laws.hard_edge`.  One square factor
follows it at every N; otherwise the distance decreases as 1/N (measured: 0.09, 0.05, 0.025 at
N = 2, 4, 8 for M = 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, get_args

import numpy as np
from scipy.stats import kstwo
from tqdm import tqdm

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.laws.edge_law import EdgeLaw
from bnproof.simulate.random_matrices.laws.tracy_widom import TracyWidom
from bnproof.simulate.random_matrices.spectra.goodness_of_fit import distance
from bnproof.simulate.random_matrices.spectra.sampling import Field, sample_singular_values
from bnproof.simulate.random_matrices.studies import table as studies
from bnproof.simulate.random_matrices.studies.soft_edge_figures import draw as draw
from bnproof.theory.claim import Claim, Evidence, Scale, Settings, SpectrumTest

SIGMAS: Final = 4.0
RATE: Final = -2 / 3  # power of N that the moments are extrapolated in
SIZES: Final = {
    Scale.SMOKE: (12, 24, 48),
    Scale.QUICK: (24, 48, 96),
    Scale.LONG: (64, 128, 256, 512),
    Scale.PAPER: (64, 128, 256, 512),
}
REPEATS: Final = {
    Scale.SMOKE: (1200, 800, 500),
    Scale.QUICK: (1200, 700, 400),
    Scale.LONG: (4000, 2000, 1000, 500),
    Scale.PAPER: (4000, 2000, 1000, 500),
}
# The laws of real and complex factors: beta = 1 and 2, or the reverse.
ANSWERS: Final = {"Tracy-Widom law of the field": (1, 2), "of the other field": (2, 1)}
LEVEL: Final = 0.95
FIELDS: Final[tuple[Field, ...]] = get_args(Field)


@dataclass(frozen=True)
class Ladder:
    """Standardised extreme values of independent matrices, over a ladder of sizes.

    Attributes
    ----------
    sizes
        The sizes N, ascending.
    values
        One vector per size.
    """

    sizes: tuple[int, ...]
    values: tuple[Array, ...]

    def distances(self, law: EdgeLaw) -> list[float]:
        """Kolmogorov-Smirnov distances from `law`, one per size."""
        return [distance(values, law) for values in self.values]

    def null(self) -> list[float]:
        """95 % quantiles of the distance for as many draws from the law, one per size."""
        return [float(kstwo.ppf(LEVEL, len(values))) for values in self.values]

    def limits(self) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation for N to infinity, each with its standard error."""
        moments: dict[str, list[tuple[float, float]]] = {"mean": [], "standard deviation": []}
        for values in self.values:
            count, spread = len(values), float(values.std(ddof=1))
            fourth = float(((values - values.mean()) ** 4).mean()) / spread**4
            moments["mean"].append((float(values.mean()), spread / count**0.5))
            moments["standard deviation"].append(
                (spread, spread * ((fourth - 1) / count) ** 0.5 / 2)
            )
        return {name: extrapolated(self.sizes, pairs) for name, pairs in moments.items()}

    def tends_to(self, law: EdgeLaw) -> bool:
        """Whether the limits are those of `law`, by the criterion of this module."""
        limits = self.limits()
        return all(
            abs(limits[name][0] - value) <= SIGMAS * limits[name][1]
            for name, value in (("mean", law.mean()), ("standard deviation", law.std()))
        )

    def numbers(self, law: EdgeLaw) -> dict[str, object]:
        """Measured values compared with `law`, as JSON data."""
        expected = {"mean": law.mean(), "standard deviation": law.std()}
        return {
            name: {
                "extrapolated": round(value, 4),
                "standard error": round(error, 4),
                "of the law": round(expected[name], 4),
            }
            for name, (value, error) in self.limits().items()
        } | {
            "distance": [round(value, 4) for value in self.distances(law)],
            "95 % quantile of the distance without bias": [round(d, 4) for d in self.null()],
            "tends to the law": self.tends_to(law),
        }


def extrapolated(sizes: Sequence[int], pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Limit a of a weighted fit a + b N**RATE, and its standard error."""
    values, errors = np.array(pairs).T
    terms = np.stack([np.ones(len(sizes)), np.array(sizes, dtype=float) ** RATE], axis=1)
    covariance = np.linalg.inv(terms.T @ (terms / errors[:, None] ** 2))
    return (
        float((covariance @ (terms.T @ (values / errors**2)))[0]),
        float(covariance[0, 0] ** 0.5),
    )


def soft_scale(factors: int, size: int) -> float:
    """N**(2/3) (2(M+1)/M**3)**(1/3): z is this times (s_1**2/x_max - 1)."""
    return float(size ** (2 / 3) * (2 * (factors + 1)) ** (1 / 3) / factors)


def standardised(
    largest: Array, factors: int, size: int, field: Field, *, shifted: bool = True
) -> Array:
    """Standardise the largest singular values s_1 of products of square factors to z.

    With `shifted` the centre has the correction of order 1/N for real factors; else it is x_max.
    """
    end = (factors + 1) ** (factors + 1) / factors**factors
    shift = factors / (2 * size) if shifted and field == "real" else 0.0
    return np.asarray(soft_scale(factors, size) * (largest**2 / end - (1 - shift)))


def soft_edge(
    factors: int,
    sizes: Sequence[int],
    repeats: Sequence[int],
    field: Field,
    *,
    seed: int,
    device: str = "cpu",
) -> Ladder:
    """Sampled z; `repeats` has one number for each of `sizes`."""
    values = []
    for size, count in zip(sizes, repeats, strict=True):
        sample = sample_singular_values(
            [size] * (factors + 1), count, field=field, seed=seed, device=device
        )
        values.append(standardised(sample[:, 0].numpy(), factors, size, field))
    return Ladder(tuple(sizes), tuple(values))


def hard_edge(
    excess: Sequence[int],
    sizes: Sequence[int],
    repeats: Sequence[int],
    *,
    seed: int,
    device: str = "cpu",
) -> Ladder:
    """Sampled ``N * prod_i n_i * s_N**2`` of complex factors, widths N, N + nu_i."""
    values = []
    for size, count in zip(sizes, repeats, strict=True):
        widths = [size, *(size + nu for nu in excess)]
        sample = sample_singular_values(widths, count, field="complex", seed=seed, device=device)
        scale = float(np.prod(np.array(widths[:-1], dtype=float))) * size
        values.append(scale * sample[:, -1].numpy() ** 2)
    return Ladder(tuple(sizes), tuple(values))


def check(claim: Claim, spec: SpectrumTest, settings: Settings) -> Evidence:
    """Run the claim's `SpectrumTest` on the largest singular values of both fields."""
    sizes, repeats = SIZES[settings.scale], REPEATS[settings.scale]
    jobs = [(M, field) for M in spec.factors for field in FIELDS]
    ladders = {
        (M, field): soft_edge(M, sizes, repeats, field, seed=settings.seed, device=settings.device)
        for M, field in tqdm(jobs, desc=claim.id, unit="field", leave=False, disable=None)
    }

    def judged(answer: str) -> dict[tuple[int, Field], TracyWidom]:
        betas = dict(zip(FIELDS, ANSWERS[answer], strict=True))
        return {job: TracyWidom(betas[job[1]]) for job in jobs}

    stated, control = judged(spec.statement), judged(spec.control)
    holds, control_holds = (
        all(ladders[job].tends_to(laws[job]) for job in jobs) for laws in (stated, control)
    )
    return studies.evidence(
        spec,
        settings,
        (holds, control_holds),
        f"For M = {', '.join(map(str, spec.factors))}, real and complex, the standardised largest "
        f"value {'tends' if holds else 'does not tend'} to the law of {_betas(spec.statement)} "
        f"({_worst(ladders, stated)}); control, {_betas(spec.control)}: "
        f"{_worst(ladders, control)}.",
        {
            f"M = {M}, {field}": {
                f"beta = {laws[M, field].beta} ({name})": ladders[M, field].numbers(laws[M, field])
                for name, laws in (("statement", stated), ("control", control))
            }
            for M, field in jobs
        }
        | {"N": list(sizes), "standard errors allowed": SIGMAS},
        {f"{M} {field}": ladders[M, field].values[-1] for M, field in jobs},
        N=list(sizes),
        repeats=list(repeats),
    )


def _betas(answer: str) -> str:
    real, complex_ = ANSWERS[answer]
    return f"beta = {real} for real and {complex_} for complex factors"


def _worst(
    ladders: dict[tuple[int, Field], Ladder], laws: dict[tuple[int, Field], TracyWidom]
) -> str:
    """The largest deviation of an extrapolated mean, in words."""
    off = {
        job: abs(ladder.limits()["mean"][0] - laws[job].mean()) for job, ladder in ladders.items()
    }
    job = max(off, key=lambda key: off[key])
    error = ladders[job].limits()["mean"][1]
    return f"extrapolated means off by at most {off[job]:.2f}, standard error {error:.2f}"
