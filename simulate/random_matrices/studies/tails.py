"""Tails and condition number of products of Gaussian matrices as the number of factors grows.

The criterion, fixed beforehand and the same for statement and control.  From each M to the next,
twice as large, at N = 100, over independent products:

* the median condition number increases at least by the factor `WORSE`;
* for the squares divided by their mean, the 99 % quantile increases at least by the factor `RIGHT`
  and the 1 % quantile decreases at least by the factor `LEFT`.

The control has the same number of factors, all orthogonal except for one Gaussian factor.
"""

from itertools import pairwise
from typing import Final

import numpy as np
import torch
from matplotlib.figure import Figure

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.simulate.random_matrices.spectra.figures import MARKS
from bnproof.simulate.random_matrices.spectra.singular_values import log_singular_values
from bnproof.simulate.random_matrices.studies import table as studies
from bnproof.theory.claim import Claim, Evidence, Scale, Settings, SpectrumTest

ANSWERS: Final = ("Gaussian factors", "one Gaussian factor")
SIZE: Final = 100
PRODUCTS: Final = {Scale.SMOKE: 20, Scale.QUICK: 50, Scale.LONG: 400, Scale.PAPER: 400}
TOGETHER: Final = 10  # products at once, to limit memory
WORSE: Final = 10.0
RIGHT: Final = 1.2
LEFT: Final = 5.0
CONDITION, UPPER, LOWER = "median condition number", "upper hundredth", "lower hundredth"


def check(claim: Claim, spec: SpectrumTest, settings: Settings) -> Evidence:
    """Measure how both tails and the condition number grow with M."""
    del claim
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
    medians, still = (
        [row[CONDITION] for row in measured[answer].values()]
        for answer in (spec.statement, spec.control)
    )
    verb = "grows" if holds else "does not grow as required"
    return studies.evidence(
        spec,
        settings,
        (holds, control_holds),
        f"The median condition number at N = {SIZE} {verb}: {_listed(medians)} for M = "
        f"{', '.join(map(str, spec.factors))}, and both tails with it; control, {spec.control}: "
        f"{_listed(still)}.",
        {
            answer: {f"M = {M}": row for M, row in table.items()}
            for answer, table in measured.items()
        }
        | {
            "condition number must grow by": WORSE,
            "upper hundredth of s^2 must grow by": RIGHT,
            "lower hundredth of s^2 must fall by": LEFT,
        },
        series,
        N=SIZE,
        products=products,
    )


def _draw(answer: str, count: int, products: int, settings: Settings) -> Array:
    """Logarithms of singular values (products, N) of long products."""
    logs = []
    for start in range(0, products, TOGETHER):
        rng = np.random.default_rng((settings.seed, ANSWERS.index(answer), count, start))
        shape = (min(TOGETHER, products - start), SIZE, SIZE)
        factors = []
        for number in range(count):
            factor = torch.from_numpy(rng.standard_normal(shape)).to(settings.device)
            orthogonal = answer == "one Gaussian factor" and number > 0
            factors.append(torch.linalg.qr(factor).Q if orthogonal else factor / SIZE**0.5)
        logs.append(log_singular_values(factors).cpu().numpy())
    return np.concatenate(logs)


def _measure(logs: Array) -> dict[str, float]:
    squares = np.exp(2 * (logs - logs.max()))
    low, high = np.quantile(squares, (0.01, 0.99)) / squares.mean()
    condition = float(np.exp(np.median(logs[:, 0] - logs[:, -1])))
    row = {CONDITION: condition, UPPER: float(high), LOWER: float(low)}
    return {name: float(f"{value:.4g}") for name, value in row.items()}


def _grows(rows: list[dict[str, float]]) -> bool:
    return all(
        after[CONDITION] >= WORSE * before[CONDITION]
        and after[UPPER] >= RIGHT * before[UPPER]
        and after[LOWER] <= before[LOWER] / LEFT
        for before, after in pairwise(rows)
    )


def _law_quantiles(factors: int) -> Array:
    """Logarithms of the quantiles of the law at the ranks of a spectrum, descending."""
    ranks = 1 - (np.arange(SIZE) + 0.5) / SIZE
    logs: Array = FussCatalan(factors).root().logppf(ranks)
    return logs


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:.2g}" for value in values)


def draw(figure: Figure, claim: Claim, evidence: Evidence) -> str:
    """Mean logarithm of each singular value against its rank, with quantiles of the law."""
    spec = claim.check_of(SpectrumTest)
    axes = figure.subplots()
    ranks = (np.arange(SIZE) + 0.5) / SIZE
    for number, M in enumerate(spec.factors):
        logs = evidence.series[f"{M}"].mean(0) / np.log(10)
        (line,) = axes.plot(ranks, logs, MARKS[number % len(MARKS)], markersize=3, label=f"M = {M}")
        law = evidence.series[f"law {M}"] / np.log(10)
        axes.plot(ranks, law, "-", linewidth=1, color=line.get_color())
    axes.set_xlabel("share of the singular values above (lines: quantiles of the law)")
    axes.set_ylabel("mean of log10 s")
    axes.legend(loc="lower left")
    table = evidence.numbers[spec.statement]
    medians = [table[f"M = {M}"][CONDITION] for M in spec.factors]
    finding = f"the median condition number is {_listed(medians)}"
    counts = ", ".join(map(str, spec.factors))
    axes.set_title(f"{claim.id}: for M = {counts}\n{finding}")
    return (
        f"Mean logarithm of each of {SIZE} singular values for M = {counts} with the quantiles of "
        f"the law: {finding}."
    )
