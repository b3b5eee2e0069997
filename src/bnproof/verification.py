"""Gather the evidence for a claim, decide its verdict and return both as a record."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sympy as sp

from bnproof.theory.claim import (
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
    counted,
    decide,
    given,
    why_undecided,
)
from bnproof.theory.common.errors import described
from bnproof.theory.common.files import WriteError
from bnproof.theory.ledger import book
from bnproof.theory.ledger.credit import credit_of
from bnproof.theory.ledger.verdict import agrees
from bnproof.theory.loading import LoadError
from bnproof.theory.symbols import latex, text

if TYPE_CHECKING:
    from bnproof.empirical.experiment import Experiment
    from bnproof.report.figures import Draw

Record = dict[str, Any]

EXACT: Final = (Proof, Disproof, Counterexample, ExactCase)
NOT_EXPERIMENTS: Final = (*EXACT, RandomTest, SpectrumTest)
# Kinds of evidence that can be plotted; a claim's figure shows the first one it has.
PLOTTED: Final = (Kind.EXPERIMENT, Kind.SPECTRA, Kind.INSTANCES)
SCALES: Final = tuple(Scale)  # from the smallest to the largest
# The default of every field of a record.
UNKNOWN: Final[Record] = {
    "id": "",
    "title": "",
    "sources": [],
    "statement": "",
    "reads": None,
    "corrects": [],
    "credit": {},
    "relation": None,
    "domain": None,
    "control": None,
    "remark": "",
    "expected": "",
    "verdict": "error",
    "given": [],
    "why": "",
    "setting": None,
    "as_expected": False,
    "error": None,
    "steps": [],
    "evidence": [],
    "figure": None,
    "seconds": 0.0,
}


def gather(claim: Claim, settings: Settings, runs: Path | None = None) -> list[Evidence]:
    """Run all checks of a claim, in order, and add the published evidence of its experiment.

    Experiments that train take too long to be run here: their published measurements are evaluated
    instead.  Evidence at a larger scale comes first; a smaller scale whose seeds are too few to
    decide does not count against it.

    Parameters
    ----------
    runs
        Folder for the results of single seeds; None saves nothing.
    """
    experiment = _experiment(claim)
    known = None
    if experiment is not None:
        from bnproof.results import published

        known = published.evidence(claim)
    checks = [check for check in claim.checks if check is not experiment or measures(claim)]
    new = [carry_out(check, claim, settings, runs) for check in checks]
    if known is None:
        return new
    larger = SCALES.index(known.provenance["scale"]) > SCALES.index(settings.scale)
    # What was published may have more seeds, and was measured on the source's images.
    if larger or not known.reason:
        return [known, *map(unless_open, new)]
    return [*new, unless_open(known)]


def unless_open(evidence: Evidence) -> Evidence:
    """The evidence, without an answer if an experiment has too few seeds for one.

    A number that is not finite cannot be explained by too few seeds, so it counts.
    """
    numbers = evidence.numbers
    judged = [numbers, *numbers.get("controls", ())]
    broken = any(row["value"] is None for part in judged for row in part.get("criteria", ()))
    if evidence.kind is not Kind.EXPERIMENT or not evidence.reason or broken:
        return evidence
    return replace(evidence, holds=None, seen=None, control_differs=True)


def _experiment(claim: Claim) -> "Experiment | None":
    """Return the experiment of a claim, if any; `bnproof.empirical` is imported only for one."""
    if all(isinstance(check, NOT_EXPERIMENTS) for check in claim.checks):
        return None
    from bnproof.empirical.experiment import experiment_of

    return experiment_of(claim)


def measures(claim: Claim) -> bool:
    """Whether verifying the claim runs an experiment, rather than using published measurements."""
    experiment = _experiment(claim)
    if experiment is None or not experiment.trains:
        return experiment is not None
    from bnproof.results import record_files

    return not record_files.files(claim.id)


def carry_out(
    check: object, claim: Claim, settings: Settings, runs: Path | None = None
) -> Evidence:
    """Run one check of a claim, importing only what it needs; for `runs` see `gather`."""
    match check:
        case Proof():
            from bnproof.theory.prove import check as run
        case Disproof():
            from bnproof.theory.prove import check_disproof as run
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
    """Verify one claim and write its figure to ``folder/figures``.

    If the claim's code fails, the record contains the error.

    Parameters
    ----------
    runs
        See `gather`.

    Raises
    ------
    bnproof.theory.common.files.WriteError
        If a folder is not writable.
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
    """Return the record of a claim that could not be verified."""
    record = _described(entry) if isinstance(entry, Claim) else UNKNOWN | {"id": entry.id}
    return record | {"error": error}


def _figure(claim: Claim, evidence: Sequence[Evidence], folder: Path) -> dict[str, str] | None:
    for kind in PLOTTED:
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
    return _described(claim) | {
        "verdict": str(verdict),
        "given": list(given(evidence)),
        "why": why_undecided(evidence),
        "setting": _setting(evidence),
        "as_expected": agrees(verdict, claim.expected),
        "steps": [vars(step) for step in steps],
        "evidence": [_evidence(item) for item in evidence],
        "figure": figure,
        "seconds": round(seconds, 3),
    }


def _setting(evidence: Sequence[Evidence]) -> str | None:
    """Return the setting at which the experiment was run, at the largest scale that counts."""
    runs = [item for item in counted(evidence) if item.kind is Kind.EXPERIMENT]
    if not runs:
        return None
    return max(runs, key=lambda item: SCALES.index(item.provenance["scale"])).setting


def _evidence(item: Evidence) -> Record:
    numbers = dict(item.numbers)
    certificate = numbers.pop("certificate", None)  # machine-readable, not shown on the page
    return {
        "kind": str(item.kind),
        "holds": item.holds,
        "control_differs": item.control_differs,
        "summary": item.summary,
        "reason": item.reason,
        "given": list(item.given),
        "setting": item.setting,
        "miniature": item.miniature,
        "seen": item.seen,
        "numbers": numbers,
        "provenance": dict(item.provenance),
        "certificate": certificate,
    }


def in_the_ledger(claim_id: str) -> Record:
    """Return the sentence that a claim reads, those that it corrects, and its credit."""
    sentence, known = book.read_by(claim_id), credit_of(claim_id)
    return {
        "reads": sentence.id if sentence else None,
        "corrects": [one.id for one in book.corrected_by(claim_id)],
        "credit": dict(known.lines()) if known else {},
    }


def _described(claim: Claim) -> Record:
    """Return a record with the fields that describe the claim; the others have their defaults."""
    return UNKNOWN | {
        "id": claim.id,
        "title": claim.title,
        "sources": [{"document": s.document, "locator": s.locator} for s in claim.sources],
        "statement": claim.statement,
        **in_the_ledger(claim.id),
        "relation": _printed(claim.relation),
        "domain": _printed(claim.domain),
        "control": _printed(claim.control),
        "remark": claim.remark,
        "expected": str(claim.expected),
    }
