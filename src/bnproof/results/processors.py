"""Published comparisons: an experiment with the kernels of several processors, beside its seeds.

There is one JSON file per experiment and scale in ``src/bnproof/results/processors``.  Limits that
PyTorch and oneDNN read from the environment make this machine compute like older ones.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from bnproof.empirical.experiment import experiment_of, interval
from bnproof.results import record_files
from bnproof.results.published import judged as judged_record
from bnproof.results.record_files import SCHEMA, Record, name_of
from bnproof.theory.claim import Claim, Evidence, decide
from bnproof.theory.common.checksum import with_checksum

FOLDER: Final = Path(__file__).parent / "processors"
# What the environment limits: the processor itself, one with AVX2, and one without.
SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "native": {},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "default": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
}
KEPT: Final = ("created", "command", "commit", "environment", "where", "provenance", "seconds")


def record(claim: Claim, measured: Mapping[str, Record], *, command: str) -> Record:
    """Return what decides in the records measured under each of `SETTINGS`, with a checksum."""
    asked = {criterion.quantity for criterion in experiment_of(claim).criteria}
    first = next(iter(measured.values()))
    return with_checksum(
        {
            "schema": SCHEMA,
            "id": claim.id,
            "scale": first["scale"],
            "command": command,
            "settings": {
                name: {key: one[key] for key in KEPT}
                | {
                    "scale": one["scale"],
                    "series": {
                        net: {name: row for name, row in rows.items() if name in asked}
                        for net, rows in one["series"].items()
                    },
                }
                for name, one in measured.items()
            },
        }
    )


def write(content: Record, folder: Path = FOLDER) -> Path:
    """Write a comparison, replacing an older one of the same experiment and scale.

    Raises
    ------
    UserError
        If the folder is not writable.
    """
    return record_files.write(folder / name_of(content["id"], content["scale"]), content)


def paths_of(claim_id: str, folder: Path = FOLDER) -> list[Path]:
    """Return the published comparisons of an experiment."""
    return sorted(folder.glob(f"{claim_id}.*.json"))


def judged(claim: Claim, comparison: Mapping[str, Any]) -> dict[str, Evidence]:
    """Apply the criteria of today to the measurements under each setting."""
    return {
        name: judged_record(claim, {"id": claim.id, **one})
        for name, one in comparison["settings"].items()
    }


def words(evidence: Mapping[str, Evidence]) -> str:
    """Whether the verdict is the same everywhere."""
    verdicts = {name: str(decide([one])) for name, one in evidence.items()}
    if len(set(verdicts.values())) == 1:
        return f"the same verdict under {', '.join(verdicts)}: {next(iter(verdicts.values()))}"
    return "the verdict differs: " + ", ".join(f"{v} under {name}" for name, v in verdicts.items())


def rows(claim: Claim, evidence: Mapping[str, Evidence]) -> list[tuple[str, ...]]:
    """Return for each criterion the medians, their spread over settings, and that over seeds.

    The spread over settings is the largest difference of two medians; that over seeds, the width of
    the confidence interval under the first setting.
    """
    found = []
    for criterion in experiment_of(claim).criteria:
        values = {name: criterion.values(one.series) for name, one in evidence.items()}
        medians = {name: float(np.median(row)) for name, row in values.items()}
        low, high = interval(next(iter(values.values())))
        found.append(
            (
                criterion.words,
                criterion.asked,
                *(f"{median:.3g}" for median in medians.values()),
                f"{max(medians.values()) - min(medians.values()):.2g}",
                f"{high - low:.2g}",
            )
        )
    return found


def columns(evidence: Mapping[str, Evidence]) -> tuple[str, ...]:
    """Return the headings of `rows`."""
    return ("criterion", "required", *evidence, "spread over processors", "spread over seeds")
