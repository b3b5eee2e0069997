"""What can be measured on random matrices for a claim: one module a study, by name.

A study is a module with two functions.  ``check(claim, settings)`` measures what the claim's
`SpectrumTest` means ask for and returns one `Evidence` of `Kind.SPECTRA`; ``draw(figure, claim,
evidence)`` draws it and returns the text alternative.  Its docstring states the criterion.
"""

import importlib
from collections.abc import Iterable
from types import ModuleType
from typing import Any, Final

import torch
from matplotlib.figure import Figure

from bnproof.theory.claim import Claim, Evidence, Settings, SpectrumTest

STUDIES: Final = {
    "law": "bnproof.simulate.random_matrices.studies.law",
    "lyapunov": "bnproof.simulate.random_matrices.studies.lyapunov",
    "tails": "bnproof.simulate.random_matrices.studies.tails",
    "scale": "bnproof.simulate.random_matrices.studies.scale",
    "soft edge": "bnproof.simulate.random_matrices.studies.soft_edge",
}


def check(claim: Claim, settings: Settings) -> Evidence:
    """Carry out the claim's `SpectrumTest` means.

    Raises
    ------
    ValueError
        If the claim has no such means, or they name an unknown study.
    """
    evidence: Evidence = _study(claim).check(claim, settings)
    return evidence


def draw(figure: Figure, claim: Claim, evidence: Evidence) -> str:
    """Draw the evidence of `check`; returns the text alternative."""
    text: str = _study(claim).draw(figure, claim, evidence)
    return text


def spec_of(claim: Claim, answers: Iterable[str]) -> SpectrumTest:
    """The claim's `SpectrumTest` means, its statement and control found among `answers`.

    Raises
    ------
    ValueError
        If the claim has no such means, or an answer is not one of the study's.
    """
    spec, known = _means(claim), tuple(answers)
    for name in (spec.statement, spec.control):
        if name not in known:
            raise ValueError(
                f"{claim.id}: checks: {spec.study!r} has no answer {name!r}; "
                f"known: {', '.join(known)}"
            )
    return spec


def provenance(spec: SpectrumTest, settings: Settings, **rest: Any) -> dict[str, Any]:
    """What is needed to repeat a study; `rest` are its own sizes."""
    return {
        "study": spec.study,
        "factors": list(spec.factors),
        "seed": settings.seed,
        "scale": str(settings.scale),
        "device": settings.device,
        "dtype": "float64",
        "torch": torch.__version__,
        **rest,
    }


def _study(claim: Claim) -> ModuleType:
    spec = _means(claim)
    if spec.study not in STUDIES:
        raise ValueError(
            f"{claim.id}: checks: unknown study {spec.study!r}; known: {', '.join(STUDIES)}"
        )
    return importlib.import_module(STUDIES[spec.study])


def _means(claim: Claim) -> SpectrumTest:
    spec: SpectrumTest | None = claim.check_of(SpectrumTest)
    if spec is None:
        raise ValueError(f"{claim.id}: has no SpectrumTest among its checks")
    return spec
