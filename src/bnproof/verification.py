"""Gather the evidence for a claim, decide, and write it down as a record."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sympy as sp

from bnproof.theory.claim import (
    Argument,
    Claim,
    Counterexample,
    Disproof,
    Evidence,
    ExactCase,
    Kind,
    Proof,
    RandomTest,
    Scale,
    Settings,
    SpectrumTest,
    decide,
    given,
    why_undecided,
)
from bnproof.theory.common.errors import described
from bnproof.theory.common.files import WriteError
from bnproof.theory.loading import LoadError
from bnproof.theory.symbols import latex, text

if TYPE_CHECKING:
    from bnproof.empirical.experiment import Experiment
    from bnproof.report.figures import Draw

Record = dict[str, Any]

EXACT: Final = (Proof, Disproof, Argument, Counterexample, ExactCase)
THEORETICAL: Final = (*EXACT, RandomTest, SpectrumTest)
# The kinds of evidence that can be drawn; the first that a claim has is its figure.
DRAWN: Final = (Kind.EXPERIMENT, Kind.SPECTRA, Kind.INSTANCES)
ORDER: Final = tuple(Scale)  # from the smallest to the largest
THREADS: Final = 1  # of every worker: see `bnproof.simulate.threads`
# A record before anything is known; one that stays so is an error.
UNKNOWN: Final[Record] = {
    "id": "",
    "title": "",
    "sources": [],
    "statement": "",
    "relation": None,
    "domain": None,
    "control": None,
    "remark": "",
    "corrects": None,
    "expected": "",
    "verdict": "error",
    "given": [],
    "why": "",
    "scale": None,
    "as_expected": False,
    "error": None,
    "steps": [],
    "evidence": [],
    "figure": None,
    "seconds": 0.0,
}


def gather(claim: Claim, settings: Settings, runs: Path | None = None) -> list[Evidence]:
    """Carry out each of the claim's means, in order; add what is published of its experiment.

    Where the measurements of an experiment that trains are published, these are judged: it takes
    too long to be carried out here.  Of two scales the larger comes first.

    Parameters
    ----------
    runs
        Folder in which the seeds of an experiment are kept; None keeps nothing.
    """
    trial = experiment_among(claim)
    kept = None
    if trial is not None:
        from bnproof.results import published

        kept = published.evidence(claim)
    checks = [check for check in claim.checks if check is not trial or measures(claim)]
    found = [carry_out(check, claim, settings, runs) for check in checks]
    if kept is None:
        return found
    larger = ORDER.index(kept.provenance["scale"]) > ORDER.index(settings.scale)
    return [kept, *found] if larger else [*found, kept]


def experiment_among(claim: Claim) -> "Experiment | None":
    """The experiment of a claim, if it has one; a claim that has none imports nothing for it."""
    if all(isinstance(check, THEORETICAL) for check in claim.checks):
        return None
    from bnproof.empirical.experiment import experiment_of

    return experiment_of(claim)


def measures(claim: Claim) -> bool:
    """Whether verifying the claim measures an experiment; else it judges what is published."""
    trial = experiment_among(claim)
    if trial is None or not trial.trains:
        return trial is not None
    from bnproof.results import record_files

    return not record_files.files(claim.id)


def carry_out(check: Any, claim: Claim, settings: Settings, runs: Path | None = None) -> Evidence:
    """Carry out one of a claim's checks; what it needs is imported then.  `runs`: see `gather`."""
    match check:
        case Proof():
            from bnproof.theory.prove import check as run
        case Disproof():
            from bnproof.theory.prove import check_disproof as run
        case Argument():
            from bnproof.theory.prove import check_argument as run
        case Counterexample() | ExactCase():
            from bnproof.theory.exact.evaluate import check as run
        case RandomTest():
            from bnproof.simulate.check import check as run
        case SpectrumTest():
            from bnproof.simulate.random_matrices.studies.table import check as run
        case _:
            from bnproof.empirical.runner import check as measure

            return measure(claim, settings, root=runs)
    evidence = run(claim, settings)
    if settings.kernel == "coq":
        from bnproof.theory.kernel.confirm import confirm

        evidence = confirm(claim, evidence)
    return evidence


def _drawer(kind: Kind) -> "Draw":
    match kind:
        case Kind.EXPERIMENT:
            from bnproof.empirical import experiment

            return experiment.draw
        case Kind.SPECTRA:
            from bnproof.simulate.random_matrices.studies import table

            return table.draw
        case _:
            from bnproof.simulate import check

            return check.draw


def verify(claim: Claim, settings: Settings, folder: Path, runs: Path | None = None) -> Record:
    """Verify one claim; its figure goes to ``folder/figures``.

    A claim whose code fails becomes a record with an error.

    Parameters
    ----------
    runs
        As for `gather`.

    Raises
    ------
    bnproof.theory.common.files.WriteError
        If a folder cannot be written.
    """
    start = time.perf_counter()
    try:
        evidence = gather(claim, settings, runs)
        figure = _figure(claim, evidence, folder)
        return _record(claim, evidence, figure, time.perf_counter() - start)
    except WriteError:
        raise
    except (Exception, SystemExit) as error:
        return failed(claim, described(error))


def failed(entry: Claim | LoadError, error: str) -> Record:
    """The record of a claim that could not be verified."""
    said = _said(entry) if isinstance(entry, Claim) else UNKNOWN | {"id": entry.id}
    return said | {"error": error}


def _figure(claim: Claim, evidence: Sequence[Evidence], folder: Path) -> dict[str, str] | None:
    for kind in DRAWN:
        for item in evidence:
            if item.kind is kind and item.series:
                from bnproof.report import figures

                return figures.save(claim, item, _drawer(kind), folder)
    return None


def _printed(expr: sp.Basic | None) -> dict[str, str] | None:
    return None if expr is None or expr == sp.true else {"latex": latex(expr), "text": text(expr)}


def _record(
    claim: Claim, evidence: Sequence[Evidence], figure: dict[str, str] | None, seconds: float
) -> Record:
    verdict = decide(evidence)
    steps = [step for item in evidence for step in item.series.get("steps", ())]
    return _said(claim) | {
        "verdict": str(verdict),
        "given": list(given(evidence)),
        "why": why_undecided(evidence),
        "scale": _scale(evidence),
        "as_expected": verdict == claim.expected,
        "steps": [vars(step) for step in steps],
        "evidence": [_evidence(item) for item in evidence],
        "figure": figure,
        "seconds": round(seconds, 3),
    }


def _scale(evidence: Sequence[Evidence]) -> str | None:
    """The largest scale at which an experiment was run, and its data: part of its verdict."""
    runs = [item.provenance for item in evidence if item.kind is Kind.EXPERIMENT]
    if not runs:
        return None
    largest = max(runs, key=lambda where: ORDER.index(where["scale"]))
    return f"{largest['scale']}, {largest['data set']}"


def _evidence(item: Evidence) -> Record:
    numbers = dict(item.numbers)
    certificate = numbers.pop("certificate", None)  # for programs: not shown on the page
    return {
        "kind": str(item.kind),
        "holds": item.holds,
        "control_differs": item.control_differs,
        "summary": item.summary,
        "reason": item.reason,
        "given": list(item.given),
        "numbers": numbers,
        "provenance": dict(item.provenance),
        "certificate": certificate,
    }


def _said(claim: Claim) -> Record:
    """The part of a record that comes from the claim alone, and room for the rest."""
    return UNKNOWN | {
        "id": claim.id,
        "title": claim.title,
        "sources": [{"document": s.document, "locator": s.locator} for s in claim.sources],
        "statement": claim.statement,
        "relation": _printed(claim.relation),
        "domain": _printed(claim.domain),
        "control": _printed(claim.control),
        "remark": claim.remark,
        "corrects": claim.corrects,
        "expected": str(claim.expected),
    }
