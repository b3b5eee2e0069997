"""Lyapunov exponents of products of Gaussian matrices, exact and simulated.

For X = X_1 ... X_M with independent N x N factors of entries of variance 1/N, the QR chain
``X_i Q_(i+1) = Q_i R_i`` has independent R_i, and ``N r_kk^2`` follows chi-squared with N-k+1
degrees of freedom (real; for complex entries ``N |r_kk|^2`` follows a Gamma(N-k+1) law).  So the
mean of ``log r_kk`` is exact at every M, and log s_k/M tends to it: C. M. Newman, Commun. Math.
Phys. 103 (1986) 121.

The study of the claim `lyapunov` samples dense factors, and computes the singular values of their
products by `singular_values` and the diagonals by plain QR decompositions.  The criterion, fixed
beforehand and the same for statement and control:

* for every k, the mean of log r_kk over all factors is within `SIGMAS` standard errors of the
  stated exponent; a true statement fails by chance once in 1e5 runs;
* the mean over products and k of ``|log s_k - sum_i log r_kk|/M``, which does not depend on the
  statement, decreases with M with an exponent in `SLOPE` (1/M is expected), to below `BOUND`.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.special import polygamma
from torch import Tensor

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.spectra.figures import MARKS
from bnproof.simulate.random_matrices.spectra.sampling import BETA, Field
from bnproof.simulate.random_matrices.spectra.singular_values import log_singular_values
from bnproof.simulate.random_matrices.studies import table as studies
from bnproof.theory.claim import Claim, Evidence, Scale, Settings, SpectrumTest
from bnproof.theory.common.errors import one_of

SIZE: Final = 12
PRODUCTS: Final = {Scale.SMOKE: 20, Scale.QUICK: 100, Scale.LONG: 400, Scale.PAPER: 400}
SIGMAS: Final = 5.5
SLOPE: Final = (-1.25, -0.75)
BOUND: Final = 0.02


def exponents(size: int, field: Field = "real") -> Array:
    """The N Lyapunov exponents, descending: limits of log s_k/M.

    Parameters
    ----------
    size
        N, at least 1.
    field
        "real" or "complex"; entries have the mean square 1/N.

    Raises
    ------
    ValueError
        If an option is out of range.
    """
    return _polygamma(0, size, field)


def deviations(size: int, field: Field = "real") -> Array:
    """Standard deviations of log r_kk for one factor; log s_k has about sqrt(M) times that."""
    return np.sqrt(_polygamma(1, size, field))


def _polygamma(order: int, size: int, field: Field) -> Array:
    """Mean (order 0) or variance (order 1) of log r_kk."""
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
        raise ValueError(f"size must be an integer >= 1, not {size!r}")
    one_of("field", field, tuple(BETA))
    half = BETA[field] / 2
    moment: Array = polygamma(order, half * np.arange(size, 0, -1)) / 2 ** (order + 1)
    return moment - np.log(half * size) / 2 if order == 0 else moment


def _mean_square(size: int) -> Array:
    """Half the logarithm of E r_kk^2, a wrong value of the exponents."""
    return np.log(np.arange(size, 0, -1) / size) / 2


ANSWERS: Final[Mapping[str, Callable[[int], Array]]] = {
    "digamma": exponents,
    "log of the mean square": _mean_square,
}


def log_diagonals(factors: list[Tensor]) -> Tensor:
    """Logarithms of the absolute values of r_kk for each factor in a QR chain from the right.

    Parameters
    ----------
    factors
        Square matrices (..., N, N).

    Returns
    -------
    Tensor
        Shape (M, ..., N), first factor first.
    """
    Q, logs = None, []
    for factor in reversed(factors):
        Q, R = torch.linalg.qr(factor if Q is None else factor @ Q)
        logs.append(R.diagonal(dim1=-2, dim2=-1).abs().log())
    return torch.stack(logs[::-1])


def _draw(count: int, products: int, settings: Settings) -> tuple[Array, Array]:
    """Logs of singular values (products, N), and of diagonals (count, products, N)."""
    rng = np.random.default_rng((settings.seed, count, products))
    drawn = rng.standard_normal((count, products, SIZE, SIZE)) / SIZE**0.5
    factors = list(torch.from_numpy(drawn).to(settings.device))
    return log_singular_values(factors).cpu().numpy(), log_diagonals(factors).cpu().numpy()


def check(claim: Claim, spec: SpectrumTest, settings: Settings) -> Evidence:
    """Compare simulated exponents with those of the claim's statement and control."""
    del claim
    products = PRODUCTS[settings.scale]
    rates, distances, diagonals = [], [], []
    for count in spec.factors:
        logs, diagonal = _draw(count, products, settings)
        rates.append(logs / count)
        distances.append(float(np.abs(logs - diagonal.sum(0)).mean() / count))
        diagonals.append(diagonal.reshape(-1, SIZE))
    all_diagonals = np.concatenate(diagonals)
    mean, error = _mean(all_diagonals)
    slope = float(np.polyfit(np.log(spec.factors), np.log(distances), 1)[0])
    joins = SLOPE[0] <= slope <= SLOPE[1] and distances[-1] < BOUND
    worst = {
        answer: float(np.abs((mean - ANSWERS[answer](SIZE)) / error).max())
        for answer in (spec.statement, spec.control)
    }
    verdicts = joins and worst[spec.statement] <= SIGMAS, joins and worst[spec.control] <= SIGMAS
    rate, rate_error = _mean(rates[-1])
    numbers: dict[str, object] = {
        "N": SIZE,
        "M": list(spec.factors),
        "exponents stated": _rounded(ANSWERS[spec.statement](SIZE)),
        "mean log r_kk": _rounded(mean),
        "its standard error": _rounded(error),
        "largest deviation in standard errors (statement)": round(worst[spec.statement], 2),
        "largest deviation in standard errors (control)": round(worst[spec.control], 2),
        "allowed": SIGMAS,
        "mean log s_k/M at the largest M": _rounded(rate),
        "standard error of that": _rounded(rate_error),
        "mean distance of log s_k/M from the diagonal": _rounded(np.array(distances)),
        "its exponent of M": round(slope, 3),
        "exponent must lie in": list(SLOPE),
        "last distance below": BOUND,
    }
    summary = (
        f"Over {len(all_diagonals):,} factors the mean of log r_kk lies within "
        f"{worst[spec.statement]:.1f} standard errors of the stated exponents for all k (control, "
        f"{spec.control}: {worst[spec.control]:.0f}), and log s_k/M comes as near to it as "
        f"{distances[-1]:.2g} at M = {spec.factors[-1]}, falling as M^{slope:.2f}."
    )
    series = {f"{count}": rate for count, rate in zip(spec.factors, rates, strict=True)}
    sizes = {"N": SIZE, "products": products, "entries": "N(0, 1/N), real"}
    return studies.evidence(spec, settings, verdicts, summary, numbers, series, **sizes)


def _mean(sample: Array) -> tuple[Array, Array]:
    """Mean over the first axis, and its standard error."""
    return sample.mean(0), sample.std(0, ddof=1) / len(sample) ** 0.5


def _rounded(values: Array) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


def draw(figure: Figure, claim: Claim, evidence: Evidence) -> str:
    """Mean of log s_k/M minus the exponent, with two standard errors, for each M."""
    spec = claim.check_of(SpectrumTest)
    axes = figure.subplots()
    expected = ANSWERS[spec.statement](SIZE)
    index = np.arange(1, SIZE + 1)
    for number, (name, sample) in enumerate(evidence.series.items()):
        mean, error = _mean(sample)
        axes.errorbar(
            index + 0.12 * (number - 1.5), mean - expected, 2 * error,
            marker=MARKS[number % len(MARKS)], linestyle="none", capsize=2, label=f"M = {name}",
        )  # fmt: skip
    axes.plot(
        index, ANSWERS[spec.control](SIZE) - expected, "k--", label=f"control: {spec.control}"
    )
    axes.axhline(0, color="0.4")
    axes.set_xticks(index)
    axes.set_xlabel("k")
    axes.set_ylabel("mean of log s_k/M minus the exponent")
    axes.legend()
    finding = (
        f"log s_k/M {'tends' if evidence.holds else 'does not tend'} to the stated exponents, "
        f"as M^{evidence.numbers['its exponent of M']}"
    )
    axes.set_title(f"{claim.id}, N = {SIZE}: {finding}")
    return (
        f"Mean logarithmic growth of each singular value minus the stated exponent for M = "
        f"{', '.join(evidence.series)}, with the control as a dashed line: {finding}."
    )
