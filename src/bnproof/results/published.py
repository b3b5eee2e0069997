"""Published measurements of experiments.

There is one JSON file per experiment and scale in ``src/bnproof/results/published``, with the
measurements of every seed, their configuration, package versions, commit and duration, and a
checksum.  Verdicts are not stored: the claim's criteria are applied to the measurements each time.
``lock`` lists the versions of all packages that can affect the numbers; older records have only
five, in ``environment``.  ``environment`` also describes the machine (`bnproof.simulate.machine`),
``runs`` contains the first losses of every training run, and ``commits`` in ``provenance`` the
commits of the code that trained and measured; older records lack all three.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from bnproof.empirical.experiment import Experiment, experiment_of, judge
from bnproof.empirical.runner import Results
from bnproof.empirical.training.run_folder import plain
from bnproof.report.document import environment, lock, now
from bnproof.results import record_files
from bnproof.results.record_files import FOLDER as FOLDER
from bnproof.results.record_files import SCHEMA, Record, largest, name_of
from bnproof.results.record_files import read as read
from bnproof.theory.claim import Claim, Evidence, Scale
from bnproof.theory.common.checksum import with_checksum
from bnproof.theory.common.commit import commit
from bnproof.theory.common.errors import UserError

DIGITS: Final = 7  # significant digits of a float32
PLOT_DIGITS: Final = 3  # significant digits of quantities that are only plotted

NOT_RECORDED: Final = "not recorded"  # in older records
OTHER: Final = "by another protocol"
EARLIER: Final = "before its criteria and controls were fixed"
OLDER: Final = {"precision": NOT_RECORDED, "mode": "exact"}  # the only mode that there was
SHOWN: Final = ("processor", "capability", "gpu", "cuda", "cudnn")


def record(
    claim: Claim,
    scale: Scale,
    results: Results,
    *,
    command: str,
    threads: int,
    variant: str = "",
) -> Record:
    """Return measurements with everything needed to reproduce them, and a checksum."""
    plot_only = experiment_of(claim).plot_only
    content: Record = {
        "schema": SCHEMA,
        "id": claim.id,
        "scale": scale.value,
        **({"variant": variant} if variant else {}),
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
                name: rounded(values, PLOT_DIGITS if name in plot_only else DIGITS)
                for name, values in rows.items()
            }
            for net, rows in results.series.items()
        },
        "runs": [
            {**run, "first losses": rounded(np.array(run["first losses"], float), DIGITS)}
            for run in results.runs
        ],
    }
    return with_checksum(content)


def write(content: Record, folder: Path = FOLDER) -> Path:
    """Write a record, replacing an older one of the same experiment, scale and variant.

    Raises
    ------
    UserError
        If the folder is not writable.
    """
    name = name_of(content["id"], content["scale"], content.get("variant", ""))
    return record_files.write(folder / name, content)


def evidence(claim: Claim, folder: Path = FOLDER) -> Evidence | None:
    """Return the evidence of the published measurements at the largest scale, if any."""
    path = largest(claim.id, folder)
    return None if path is None else judged(claim, read(path))


def judged(claim: Claim, record: Mapping[str, Any]) -> Evidence:
    """Apply the claim's criteria to the measurements of a record.

    Raises
    ------
    UserError
        If the experiment needs a quantity that was not measured.
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
    experiment = experiment_of(claim)
    before = f", {EARLIER}" if measured_before(experiment, record) else ""
    before += f", {OTHER}" if other_protocol(experiment, record) else ""
    try:
        return judge(
            experiment,
            series,
            where=f"{record['where']} (measured {about['measured']}{before}, scale "
            f"{record['scale']})",
            provenance=OLDER | record["provenance"] | about,
        )
    except KeyError as missing:
        raise UserError(
            f"{claim.id}: {missing} is missing from the measurements published at scale "
            f"{record['scale']}; publish them again"
        ) from None


def measured_before(experiment: Experiment, record: Mapping[str, Any]) -> bool:
    """Whether a record is older than the criteria and controls by which it is judged."""
    unmeasured = any(control.net not in record["series"] for control in experiment.controls)
    fixed = experiment.fixed
    return unmeasured or (fixed is not None and record["created"][:10] < fixed.date)


def other_protocol(experiment: Experiment, record: Mapping[str, Any]) -> bool:
    """Whether batch, updates or networks of a record are not those of the experiment today."""
    scale, provenance = Scale(record["scale"]), record["provenance"]
    size, networks = experiment.sizes[scale], experiment.networks_at(scale)
    return (
        provenance["batch"] != size.batch
        or provenance.get("steps", "various") not in ("various", size.updates)
        or {name: provenance.get(name) for name in networks} != networks
    )


def machine(evidence: Evidence) -> str:
    """Describe the device, threads, precision, mode and duration of the measurements."""
    about = evidence.provenance
    names = [f"{name} {about[name]}" for name in SHOWN if name in about]
    return (
        f"{about['device']} ({', '.join(names)}), {about['threads']} threads, "
        f"precision {arithmetic(about)}, PyTorch {about['torch']}, {about['seconds']:.0f} s"
    )


def arithmetic(about: Mapping[str, Any]) -> str:
    """The precision of training, and the mode unless it is the default."""
    return str(about["precision"]) + (", fast" if about["mode"] == "fast" else "")


def criteria_rows(evidence: Evidence) -> list[tuple[str, ...]]:
    """Return for each criterion: quantity, requirement, measured, seeds that meet it, controls.

    What is measured is the median over seeds, and the confidence interval that decides.
    """
    seeds = len(evidence.provenance["seeds"])
    controls = [control["criteria"] for control in evidence.numbers["controls"]]
    return [
        (
            row["words"],
            row["asked"],
            _measured(row),
            f"{row['seeds that satisfy it']} of {seeds}",
            *map(_measured, others),
        )
        for row, *others in zip(evidence.numbers["criteria"], *controls, strict=True)
    ]


def criteria_columns(evidence: Evidence) -> tuple[str, ...]:
    """Return the headings of `criteria_rows`."""
    controls = (f"{control['kind']} control" for control in evidence.numbers["controls"])
    return ("criterion", "required", "measured", "seeds", *controls)


def controls_in_words(evidence: Evidence) -> str:
    """Return how each control was made."""
    return "; ".join(
        f"{control['kind']} control: {control['words']}" for control in evidence.numbers["controls"]
    )


def _measured(row: Mapping[str, Any]) -> str:
    return f"{_listed(row['value'])} ({_span(row['interval'])})"


def printed_rows(evidence: Evidence) -> list[tuple[str, ...]]:
    """Return for each number printed in the source: quantity, printed value, measured value."""
    measured = evidence.numbers["measured"]
    return [
        (f"{name}, {net}", _listed(values), _listed(measured[net][name]["median"]))
        for net, quantities in evidence.numbers["printed"].items()
        for name, values in quantities.items()
        if name in measured.get(net, {})
    ]


def _span(interval: Any) -> str:
    return " to ".join(map(_listed, interval))


def _listed(values: Any) -> str:
    listed = values if isinstance(values, list | tuple) else [values]
    return ", ".join("not finite" if value is None else f"{value:.3g}" for value in listed)


def rounded(values: Any, digits: int) -> Any:
    """Round numbers or arrays to significant digits, as JSON values."""
    if isinstance(values, np.ndarray | list):
        return [rounded(entry, digits) for entry in values]
    return plain(float(f"{values:.{digits}g}"))
