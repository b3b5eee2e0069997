"""The studies of random matrices by name, one per module.

A study is a module with the statements it can test, `ANSWERS`, and two functions.
``check(claim, spec, settings)`` runs the claim's `SpectrumTest` and returns its `evidence`;
``draw(figure, claim, evidence)`` plots it and returns the alt text.  The docstring of the module
states the criterion, which is the same for statement and control.
"""

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Final

import torch
from matplotlib.figure import Figure

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.threads import one_thread
from bnproof.theory.claim import Claim, Evidence, Kind, Settings, SpectrumTest

STUDIES: Final = {
    "law": "bnproof.simulate.random_matrices.studies.law",
    "lyapunov": "bnproof.simulate.random_matrices.studies.lyapunov",
    "tails": "bnproof.simulate.random_matrices.studies.tails",
    "scale": "bnproof.simulate.random_matrices.studies.scale",
    "soft edge": "bnproof.simulate.random_matrices.studies.soft_edge",
}


@one_thread()
def check(claim: Claim, settings: Settings) -> Evidence:
    """Run the claim's `SpectrumTest`.

    Raises
    ------
    ValueError
        If the claim has no such check, its study is unknown or does not have an answer.
    """
    spec, study = _spec(claim), _study(claim)
    for name in (spec.statement, spec.control):
        if name not in study.ANSWERS:
            raise ValueError(
                f"{claim.id}: checks: {spec.study!r} has no answer {name!r}; "
                f"known: {', '.join(study.ANSWERS)}"
            )
    result: Evidence = study.check(claim, spec, settings)
    return result


def draw(figure: Figure, claim: Claim, evidence: Evidence) -> str:
    """Plot the evidence of `check`; returns the alt text."""
    text: str = _study(claim).draw(figure, claim, evidence)
    return text


def evidence(
    spec: SpectrumTest,
    settings: Settings,
    holds: tuple[bool, bool],
    summary: str,
    numbers: dict[str, object],
    series: Mapping[str, Array | Mapping[str, Array]],
    **sizes: object,
) -> Evidence:
    """Evidence of a study.

    Parameters
    ----------
    holds
        Whether statement and control meet the criterion.
    sizes
        What reproduces the study, besides `spec` and `settings`.
    """
    provenance = {
        "study": spec.study,
        "factors": list(spec.factors),
        "seed": settings.seed,
        "scale": str(settings.scale),
        "device": settings.device,
        "dtype": "float64",
        "torch": torch.__version__,
        **sizes,
    }
    statement, control = holds
    return Evidence(
        Kind.SPECTRA, statement, statement != control, summary, numbers, provenance, series
    )


def _study(claim: Claim) -> ModuleType:
    spec = _spec(claim)
    if spec.study not in STUDIES:
        raise ValueError(
            f"{claim.id}: checks: unknown study {spec.study!r}; known: {', '.join(STUDIES)}"
        )
    return importlib.import_module(STUDIES[spec.study])


def _spec(claim: Claim) -> SpectrumTest:
    spec: SpectrumTest | None = claim.check_of(SpectrumTest)
    if spec is None:
        raise ValueError(f"{claim.id}: has no SpectrumTest among its checks")
    return spec
