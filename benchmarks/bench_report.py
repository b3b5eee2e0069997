"""Time to build the report page, and its size."""

import tempfile
from pathlib import Path
from time import process_time

from bnproof.report import figures
from bnproof.report import formula_svg as formula
from bnproof.report import page as report
from bnproof.report.document import FIGURE_FOLDER
from bnproof.theory.claim import Evidence, Kind
from bnproof.theory.claims.hessian import bn_hessian, santurkar_4_2
from bnproof.theory.symbols import latex, text

timer = process_time  # used by asv; less affected by other processes than wall-clock time
CLAIMS = 129  # about the size of the catalogue, but the same at every commit


def _line(figure, claim, evidence):
    figure.subplots().plot(range(500), [(i * i) % 97 for i in range(500)], label=claim.id)
    return evidence.summary


def _record(number: int, folder: Path) -> dict:
    """Return a record as written by `verify`, with formulas that differ from those of others."""
    claim = (bn_hessian.CLAIM, santurkar_4_2.CLAIM)[number % 2]
    evidence = Evidence(Kind.INSTANCES, True, True, "Found on 24,000 networks.")
    printed = {"latex": f"{latex(claim.relation)} + {number}", "text": text(claim.relation)}
    return {
        "id": f"claim_{number}",
        "title": claim.title,
        "sources": [vars(source) for source in claim.sources],
        "statement": f"{claim.statement} + {number}",
        "relation": printed,
        "domain": None,
        "control": {**printed, "latex": f"{printed['latex']} + x"},
        "remark": claim.remark,
        "reads": None,
        "corrects": [],
        "credit": {"first": "A. Author (2020)"},
        "verdict": str(claim.expected),
        "setting": None,
        "expected": str(claim.expected),
        "as_expected": True,
        "error": None,
        "steps": [vars(step) for step in claim.checks[0].prove().steps],
        "evidence": [
            {
                "kind": str(evidence.kind),
                "holds": True,
                "control_differs": True,
                "summary": evidence.summary,
                "numbers": {f"number {i}": i / 7 for i in range(20)},
                "provenance": {"seed": 0, "device": "cpu"},
            }
        ],
        "figure": figures.save(claim, evidence, _line, folder),
        "seconds": 1.0,
    }


class Report:
    """A page the size of the catalogue; each claim has three distinct formulas and a figure."""

    def setup_cache(self) -> tuple[dict, Path]:
        folder = Path(tempfile.mkdtemp())
        document = {
            "schema": 2,
            "sentences": [],
            "bnproof": "0.1.0",
            "created": "2026-11-21T10:00:00+00:00",
            "command": "bnproof verify",
            "environment": {},
            "settings": {"scale": "quick", "seed": 0, "data": "photos"},
            "claims": [_record(number, folder) for number in range(CLAIMS)],
            "normalizers": [],
            "layers": [],
        }
        return document, folder / FIGURE_FOLDER

    def time_build(self, cache: tuple[dict, Path]) -> None:
        formula.draw.cache_clear()
        report.build(*cache)

    def peakmem_build(self, cache: tuple[dict, Path]) -> None:
        report.build(*cache)

    def track_size(self, cache: tuple[dict, Path]) -> float:
        """Size of the page."""
        return len(report.build(*cache).encode()) / 1024

    track_size.unit = "KB"
