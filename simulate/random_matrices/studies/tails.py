"""Tails and condition number of products of Gaussian matrices as the number of factors grows.

The criterion, stated beforehand, the same for statement and control.  From each M to the next,
twice as large, all at N = 100, over independent products:

* the median condition number grows at least `WORSE` times;
* with the squares divided by their mean, the largest hundredth begins at least `RIGHT` times
  higher, and the smallest hundredth ends at least `LEFT` times lower.

The control has as many factors, all of them orthogonal but for a Gaussian one.
"""

from itertools import pairwise
from typing import Any, Final

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.simulate.random_matrices.spectra.singular_values import log_singular_values
from bnproof.simulate.random_matrices.studies import table as studies
from bnproof.theory.claim import Claim, Evidence, Kind, Scale, Settings

Array = NDArray[np.float64]

ANSWERS: Final = ("Gaussian factors", "one Gaussian factor")
SIZE: Final = 100
PRODUCTS: Final = {Scale.SMOKE: 20, Scale.QUICK: 50, Scale.PAPER: 400}
TOGETHER: Final = 10  # products at a time, which bounds the memory
WORSE: Final = 10.0
RIGHT: Final = 1.2
LEFT: Final = 5.0
CONDITION, UPPER, LOWER = "median condition number", "upper hundredth", "lower hundredth"


def check(claim: Claim, settings: Settings) -> Evidence:
    """Measure how both tails and the condition number grow with M.

    Raises
    ------
    ValueError
        If the means name another answer than those of `ANSWERS`.
    """
    spec = studies.spec_of(claim, ANSWERS)
    products = PRODUCTS[settings.scale]
    logs = {
        answer: {M: _draw(answer, M, products, settings) for M in spec.factors}
        for answer in (spec.statement, spec.control)
    }
    measured = {
        answer: {M: _measure(sample) for M, sample in samples.items()}
        for answer, samples in logs.items()
    }
    holds, control_holds = (_grows(list(measured[a].values())) for a in logs)
    series: dict[str, Array] = {f"law {M}": _law_quantiles(M) for M in spec.factors}
    for M, sample in logs[spec.statement].items():
        series[f"{M}"] = sample
    medians = [found[CONDITION] for found in measured[spec.statement].values()]
    still = [found[CONDITION] for found in measured[spec.control].values()]
    verb = "grows" if holds else "does not grow as required"
    return Evidence(
        Kind.SPECTRA,
        holds,
        holds != control_holds,
        f"The median condition number at N = {SIZE} {verb}: {_listed(medians)} for M = "
        f"{', '.join(map(str, spec.factors))}, and both tails with it; control, {spec.control}: "
        f"{_listed(still)}.",
        {
            answer: {f"M = {M}": found for M, found in table.items()}
            for answer, table in measured.items()
        }
        | {
            "condition number must grow by": WORSE,
            "upper hundredth of s^2 must grow by": RIGHT,
            "lower hundredth of s^2 must fall by": LEFT,
        },
        studies.provenance(spec, settings, N=SIZE, products=products),
        series,
    )


def _draw(answer: str, count: int, products: int, settings: Settings) -> Array:
    """Logarithms of singular values (products, N) of long products."""
    found = []
    for start in range(0, products, TOGETHER):
        rng = np.random.default_rng((settings.seed, ANSWERS.index(answer), count, start))
        shape = (min(TOGETHER, products - start), SIZE, SIZE)
        factors = []
        for number in range(count):
            factor = torch.from_numpy(rng.standard_normal(shape)).to(settings.device)
            orthogonal = answer == "one Gaussian factor" and number > 0
            factors.append(torch.linalg.qr(factor).Q if orthogonal else factor / SIZE**0.5)
        found.append(log_singular_values(factors).cpu().numpy())
    return np.concatenate(found)


def _measure(logs: Array) -> dict[str, float]:
    squares = np.exp(2 * (logs - logs.max()))
    low, high = np.quantile(squares, (0.01, 0.99)) / squares.mean()
    condition = float(np.exp(np.median(logs[:, 0] - logs[:, -1])))
    found = {CONDITION: condition, UPPER: float(high), LOWER: float(low)}
    return {name: float(f"{value:.4g}") for name, value in found.items()}


def _grows(rows: list[dict[str, float]]) -> bool:
    return all(
        after[CONDITION] >= WORSE * before[CONDITION]
        and after[UPPER] >= RIGHT * before[UPPER]
        and after[LOWER] <= before[LOWER] / LEFT
        for before, after in pairwise(rows)
    )


def _law_quantiles(factors: int) -> Array:
    """Logarithms of the law's quantiles for the ranks of a spectrum, descending."""
    ranks = 1 - (np.arange(SIZE) + 0.5) / SIZE
    found: Array = FussCatalan(factors).root().logppf(ranks)
    return found


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:.2g}" for value in values)


def draw(figure: Figure, claim: Claim, evidence: Evidence) -> str:
    """Mean logarithm of each singular value against its rank, with the law's quantiles."""
    spec = studies.spec_of(claim, ANSWERS)
    axes = figure.subplots()
    ranks = (np.arange(SIZE) + 0.5) / SIZE
    marks = ("o", "s", "^", "D", "v", "P")
    for number, M in enumerate(spec.factors):
        logs = evidence.series[f"{M}"].mean(0) / np.log(10)
        (line,) = axes.plot(ranks, logs, marks[number % len(marks)], markersize=3, label=f"M = {M}")
        law = evidence.series[f"law {M}"] / np.log(10)
        axes.plot(ranks, law, "-", linewidth=1, color=line.get_color())
    axes.set_xlabel("share of the singular values above (lines: quantiles of the law)")
    axes.set_ylabel("mean of log10 s")
    axes.legend(loc="lower left")
    table: Any = evidence.numbers[spec.statement]
    medians = [table[f"M = {M}"][CONDITION] for M in spec.factors]
    finding = f"the median condition number is {_listed(medians)}"
    counts = ", ".join(map(str, spec.factors))
    axes.set_title(f"{claim.id}: for M = {counts}\n{finding}")
    return (
        f"Mean logarithm of each of {SIZE} singular values for M = {counts} with the quantiles of "
        f"the law: {finding}."
    )
