"""Published trends: what decides an experiment, against the length of training and the width.

There is one JSON file per experiment in ``src/bnproof/results/trends``.  Like a record of
measurements it contains no verdict: the criteria are applied to its points each time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from bnproof.empirical.experiment import Experiment, experiment_of, judge
from bnproof.empirical.plan import training_runs
from bnproof.empirical.runner import variant_of
from bnproof.empirical.trend import Point
from bnproof.report.document import environment, lock, now
from bnproof.results import record_files
from bnproof.results.published import DIGITS, rounded
from bnproof.results.record_files import SCHEMA, Record
from bnproof.theory.claim import Claim, Evidence, Verdict, decide
from bnproof.theory.common.checksum import with_checksum
from bnproof.theory.common.commit import commit

FOLDER: Final = Path(__file__).parent / "trends"


@dataclass(frozen=True)
class Judged:
    """A point of a trend, judged by the criteria of today.

    Attributes
    ----------
    updates, width, variant, scale
        Number of updates that count; channels of the first convolution, None if it has no width;
        name of the variant and of the scale.
    evidence
        The answer.
    """

    updates: int
    width: int | None
    variant: str
    scale: str
    evidence: Evidence

    @property
    def verdict(self) -> Verdict:
        """The verdict at this point."""
        return decide([self.evidence])


def record(
    claim: Claim, points: Sequence[Point], *, data: str, command: str, threads: int
) -> Record:
    """Return the points with everything needed to reproduce them, and a checksum.

    Where two scales measured the same width after equally many updates, the shorter runs count,
    which were evaluated more often.
    """
    chosen: dict[tuple[str, int], Record] = {}
    for point in points:
        settings = point.settings
        row = {
            "scale": settings.scale.value,
            "variant": settings.variant,
            "width": _width(claim, point),
            "updates": point.updates,
            "seeds": point.seeds,
            "series": {
                net: {name: rounded(values, DIGITS) for name, values in rows.items()}
                for net, rows in point.series.items()
            },
        }
        chosen.setdefault((str(row["width"] or settings.variant), point.updates), row)
    settings = points[0].settings
    return with_checksum(
        {
            "schema": SCHEMA,
            "id": claim.id,
            "created": now(),
            "command": command,
            "commit": commit(),
            "environment": environment(settings.device, threads),
            "lock": lock(),
            "precision": settings.precision,
            "mode": settings.mode,
            "data set": data,
            "points": list(chosen.values()),
        }
    )


def _width(claim: Claim, point: Point) -> int | None:
    """The width of the first convolution, from the variant or from the networks of the scale."""
    network = variant_of(claim, point.settings).network
    if "width" in network:
        return int(network["width"])
    runs = training_runs(experiment_of(claim), point.settings.scale)
    widths = {run.network.get("width") for run in runs}
    return widths.pop() if len(widths) == 1 else None


def write(content: Record, folder: Path = FOLDER) -> Path:
    """Write a trend, replacing an older one of the same experiment.

    Raises
    ------
    UserError
        If the folder is not writable.
    """
    return record_files.write(folder / f"{content['id']}.json", content)


def path_of(claim_id: str, folder: Path = FOLDER) -> Path | None:
    """Return the published trend of an experiment, if any."""
    path = folder / f"{claim_id}.json"
    return path if path.exists() else None


def judged(claim: Claim, trend: Mapping[str, Any]) -> list[Judged]:
    """Apply the criteria of today to every point, the shortest first.

    Raises
    ------
    KeyError
        If a criterion asks for a quantity that was not measured.
    """
    experiment = experiment_of(claim)
    found = [_judged(experiment, point) for point in trend["points"]]
    return sorted(found, key=lambda point: (point.width or 0, point.updates))


def _judged(experiment: Experiment, point: Mapping[str, Any]) -> Judged:
    series = {
        net: {name: np.asarray(values, dtype=float) for name, values in rows.items()}
        for net, rows in point["series"].items()
    }
    where = f"{point['updates']:,} updates, {len(point['seeds'])} seeds"
    return Judged(
        updates=point["updates"],
        width=point["width"],
        variant=point["variant"],
        scale=point["scale"],
        evidence=judge(experiment, series, where=where),
    )


def usual(points: Sequence[Judged]) -> list[Judged]:
    """The points of the experiment's own width, against the length."""
    return [point for point in points if not point.variant]


def across(points: Sequence[Judged]) -> list[Judged]:
    """The points of all widths at the greatest length that most of them have."""
    wide = [point for point in points if point.width is not None]
    lengths = [point.updates for point in wide]
    if not lengths:
        return []
    common = max(lengths, key=lambda updates: (lengths.count(updates), updates))
    return [point for point in wide if point.updates == common]


def words(points: Sequence[Judged]) -> str:
    """What was seen at each length and width, and where the verdict turns."""
    by_length = _runs((point.verdict, f"{point.updates:,}") for point in usual(points))
    sentences = [
        "After " + "; ".join(f"{' and '.join(at)} updates: {name}" for name, at in by_length) + "."
    ]
    turns = [
        f"between {before[-1]} and {after[0]} updates"
        for (_, before), (_, after) in pairwise(by_length)
    ]
    sentences.append(f"It turns {', and '.join(turns)}." if turns else "It does not turn.")
    wide = across(points)
    if len(wide) > 1:
        by_width = _runs((point.verdict, str(point.width)) for point in wide)
        listed = "; ".join(f"{' and '.join(at)} channels: {name}" for name, at in by_width)
        sentences.append(f"Against the width, after {wide[0].updates:,} updates: {listed}.")
    return " ".join(sentences)


def _runs(pairs: Iterator[tuple[Verdict, str]]) -> list[tuple[str, list[str]]]:
    """Neighbours with one verdict together."""
    grouped = groupby(pairs, key=lambda pair: str(pair[0]))
    return [(verdict, [where for _, where in group]) for verdict, group in grouped]


def source_rows(experiment: Experiment, points: Sequence[Judged]) -> list[tuple[str, ...]]:
    """Numbers read from a printed figure beside ours, for equally many updates."""
    found: list[tuple[str, ...]] = []
    by_length = {point.updates: point for point in usual(points)}
    for updates, networks in experiment.traced.items():
        for criterion in experiment.criteria:
            theirs = networks.get(criterion.net, {}).get(criterion.quantity)
            if theirs is None:
                continue
            point = by_length.get(updates)
            ours = "not measured"
            if point is not None:
                ours = _listed(
                    np.median(point.evidence.series[criterion.net][criterion.quantity], 0)
                )
            found.append((f"{updates:,}", criterion.words, _listed(theirs), ours))
    return found


def _listed(values: Any) -> str:
    return " / ".join(f"{value:.3g}" for value in np.atleast_1d(values))
