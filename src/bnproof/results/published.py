"""Published measurements: what an experiment gave on a named data set, device and day.

One JSON file an experiment and scale, in ``src/bnproof/results/published``: the measurements of
every seed, their configuration, versions, commit and duration, and a hash of it all.  A verdict is
never stored: the claim's criteria are applied to the measurements each time.  ``lock`` lists the
version of every package that has a part in the numbers; a record of before there was a lock has
those of five packages, in ``environment``.  ``environment`` also names what the last digits depend
on (`bnproof.simulate.machine`), ``runs`` the first losses of every training run, and ``commits`` in
``provenance`` the commits that trained and measured; in older records all three are missing.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from bnproof.empirical.experiment import experiment_of, judge
from bnproof.empirical.runner import Results
from bnproof.empirical.training.run_folder import plain
from bnproof.report.document import environment, lock, now
from bnproof.results.record_files import FOLDER as FOLDER
from bnproof.results.record_files import SCHEMA, Record, largest
from bnproof.results.record_files import read as read
from bnproof.theory.claim import Claim, Evidence, Scale
from bnproof.theory.common.checksum import with_checksum
from bnproof.theory.common.commit import commit
from bnproof.theory.common.errors import UserError
from bnproof.theory.common.files import write_text

FIGURES: Final = 7  # significant digits, a float32's
PICTURE_FIGURES: Final = 3  # of quantities that are only drawn

NOT_RECORDED: Final = "not recorded"  # in an older record
SHOWN: Final = ("processor", "capability", "gpu", "cuda", "cudnn")


def record(claim: Claim, scale: Scale, results: Results, *, command: str, threads: int) -> Record:
    """Measurements with all that is needed to repeat them, and a hash of the whole."""
    plot_only = experiment_of(claim).plot_only
    whole: Record = {
        "schema": SCHEMA,
        "id": claim.id,
        "scale": scale.value,
        "created": now(),
        "command": command,
        "commit": commit(),
        "environment": environment(str(results.provenance["device"]), threads),
        "lock": lock(),
        "seconds": round(results.seconds, 1),
        "where": results.where,
        "provenance": plain(results.provenance),
        "series": {
            net: {
                name: _rounded(values, PICTURE_FIGURES if name in plot_only else FIGURES)
                for name, values in rows.items()
            }
            for net, rows in results.series.items()
        },
        "runs": [
            {**run, "first losses": _rounded(np.array(run["first losses"], float), FIGURES)}
            for run in results.runs
        ],
    }
    return with_checksum(whole)


def write(whole: Record, folder: Path = FOLDER) -> Path:
    """Write a record; one of the same experiment and scale is replaced.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    path = folder / f"{whole['id']}.{whole['scale']}.json"
    write_text(path, json.dumps(whole, allow_nan=False, separators=(",", ":")) + "\n")
    return path


def evidence(claim: Claim, folder: Path = FOLDER) -> Evidence | None:
    """Judge the published measurements of the largest scale; None if there are none."""
    path = largest(claim.id, folder)
    return None if path is None else judged(claim, read(path))


def judged(claim: Claim, record: Mapping[str, Any]) -> Evidence:
    """Apply the claim's criteria to the measurements of a record.

    Raises
    ------
    UserError
        If the experiment asks for something that was not measured then.
    """
    series = {
        net: {name: np.asarray(values, dtype=float) for name, values in rows.items()}
        for net, rows in record["series"].items()
    }
    about = {
        "measured": record["created"][:10],
        "command": record["command"],
        "commit": record["commit"],
        "seconds": record["seconds"],
        "threads": record["environment"]["threads"],
        "processor": NOT_RECORDED,
        **{name: value for name, value in record["environment"].items() if name in SHOWN},
    }
    try:
        return judge(
            experiment_of(claim),
            series,
            where=f"{record['where']} (measured {about['measured']}, scale {record['scale']})",
            provenance={"precision": NOT_RECORDED, **record["provenance"], **about},
        )
    except KeyError as missing:
        raise UserError(
            f"{claim.id}: {missing} is not among the measurements published at scale "
            f"{record['scale']}; publish them again"
        ) from None


def machine(found: Evidence) -> str:
    """What computed the measurements that were judged, and in which precision, in words."""
    about = found.provenance
    names = [f"{name} {about[name]}" for name in SHOWN if name in about]
    return (
        f"{about['device']} ({', '.join(names)}), {about['threads']} threads, "
        f"precision {about['precision']}, PyTorch {about['torch']}, {about['seconds']:.0f} s"
    )


def criteria_rows(found: Evidence) -> list[tuple[str, ...]]:
    """Of each criterion: what is measured, asked and found, by how many seeds, by the control."""
    seeds = len(found.provenance["seeds"])
    return [
        (
            row["words"],
            row["asked"],
            _listed(row["value"]),
            f"{row['seeds that satisfy it']} of {seeds}",
            _listed(row["control value"]),
        )
        for row in found.numbers["criteria"]
    ]


def printed_rows(found: Evidence) -> list[tuple[str, ...]]:
    """Of each number that the source prints: what it is, the number, what was found."""
    measured = found.numbers["measured"]
    return [
        (f"{name}, {net}", _listed(values), _listed(measured[net][name]["median"]))
        for net, quantities in found.numbers["printed"].items()
        for name, values in quantities.items()
        if name in measured.get(net, {})
    ]


def _listed(values: Any) -> str:
    listed = values if isinstance(values, list | tuple) else [values]
    return ", ".join("not finite" if value is None else f"{value:.3g}" for value in listed)


def _rounded(values: Any, figures: int) -> Any:
    if isinstance(values, np.ndarray | list):
        return [_rounded(entry, figures) for entry in values]
    return plain(float(f"{values:.{figures}g}"))
