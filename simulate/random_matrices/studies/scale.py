"""Effect of initialisation constants on the condition number of a product of layers.

The criterion, fixed beforehand and the same for statement and control: for every product, scaling
changes the logarithm of the condition number by at most `ALLOWED`.  Statement: each layer is
scaled by the constant of an initialisation, or by any number from 1e-3 to 1e3.  Control: each row
of a layer has its own constant.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import torch
from matplotlib.figure import Figure

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.spectra.figures import BLUE, RED
from bnproof.simulate.random_matrices.spectra.singular_values import log_singular_values
from bnproof.simulate.random_matrices.studies import table as studies
from bnproof.theory.claim import Claim, Evidence, Scale, Settings, SpectrumTest

SIZE: Final = 50
PRODUCTS: Final = {Scale.SMOKE: 10, Scale.QUICK: 50, Scale.LONG: 400, Scale.PAPER: 400}
# Rounding errors of 1e-16 times the condition number of a factor (up to about 1e4), per factor.
ALLOWED: Final = 1e-9
# Standard deviation of an entry relative to N(0, 1/N), for input and output width N.
INITIALISATIONS: Final[Mapping[str, float]] = {"Xavier": 1.0, "Kaiming": 2**0.5}


def _any(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return 10 ** rng.uniform(-3, 3, shape)


def _per_factor(rng: np.random.Generator, number: int, products: int) -> Array:
    """One constant per layer, (products, 1, 1), starting with those of the initialisations."""
    constants = _any(rng, (products, 1, 1))
    for row, value in enumerate(INITIALISATIONS.values()):
        constants[row] = value
    return constants


def _per_row(rng: np.random.Generator, number: int, products: int) -> Array:
    return _any(rng, (products, SIZE, 1))


ANSWERS: Final[Mapping[str, Callable[[np.random.Generator, int, int], Array]]] = {
    "one constant a factor": _per_factor,
    "one constant a row": _per_row,
}


def check(claim: Claim, spec: SpectrumTest, settings: Settings) -> Evidence:
    """Compare condition numbers with and without constants."""
    del claim
    products = PRODUCTS[settings.scale]
    plain, series = {}, {}
    for M in spec.factors:
        rng = np.random.default_rng((settings.seed, M))
        layers = [rng.standard_normal((products, SIZE, SIZE)) / SIZE**0.5 for _ in range(M)]
        plain[M] = _log_condition(layers, settings.device)
        for answer in (spec.statement, spec.control):
            scaled = [ANSWERS[answer](rng, i, products) * layer for i, layer in enumerate(layers)]
            series[f"{answer}, M = {M}"] = _log_condition(scaled, settings.device) - plain[M]
    worst = {
        answer: {f"M = {M}": float(np.abs(series[f"{answer}, M = {M}"]).max()) for M in plain}
        for answer in (spec.statement, spec.control)
    }
    holds, control_holds = (max(changes.values()) <= ALLOWED for changes in worst.values())
    return studies.evidence(
        spec,
        settings,
        (holds, control_holds),
        f"Constants of the layers change the logarithm of the condition number by at most "
        f"{max(worst[spec.statement].values()):.1e} in {products * len(plain)} products; constants "
        f"of single rows by up to {max(worst[spec.control].values()):.2g}.",
        {
            f"largest change of log kappa, {answer}": {
                name: float(f"{value:.3g}") for name, value in changes.items()
            }
            for answer, changes in worst.items()
        }
        | {
            "median log10 kappa": {
                f"M = {M}": round(float(np.median(logs) / np.log(10)), 2)
                for M, logs in plain.items()
            },
            "allowed": ALLOWED,
        },
        series,
        N=SIZE,
        products=products,
    )


def _log_condition(layers: list[Array], device: str) -> Array:
    """log(s_1/s_N), one number per product."""
    logs = log_singular_values([torch.from_numpy(layer).to(device) for layer in layers])
    condition: Array = (logs[..., 0] - logs[..., -1]).cpu().numpy()
    return condition


def draw(figure: Figure, claim: Claim, evidence: Evidence) -> str:
    """Change of the logarithm of the condition number, for statement and control."""
    spec = claim.check_of(SpectrumTest)
    axes = figure.subplots()
    for answer, mark, aside in ((spec.statement, "o", -0.15), (spec.control, "x", 0.15)):
        for number, M in enumerate(spec.factors):
            change = np.abs(evidence.series[f"{answer}, M = {M}"])
            axes.plot(
                np.full(len(change), number + aside), np.maximum(change, 1e-17), mark,
                color=BLUE if aside < 0 else RED, label=None if number else answer,
            )  # fmt: skip
    axes.axhline(ALLOWED, color="0.4", label="allowed")
    axes.set_yscale("log")
    axes.set_xticks(range(len(spec.factors)), [f"M = {M}" for M in spec.factors])
    axes.set_ylabel("absolute change of log(s_1/s_N)")
    axes.legend(loc="center right")
    verb = "do not change" if evidence.holds else "change"
    axes.set_title(f"{claim.id}: constants of layers {verb} the condition number")
    return (
        f"Change of the logarithm of the condition number for {spec.statement} and for "
        f"{spec.control}: constants of layers {verb} it."
    )
