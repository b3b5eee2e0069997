"""`bnproof sweep`: every combination of a grid, on this machine or on a cluster."""

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import Parameter

from bnproof.commands.common import LEFT, OUT
from bnproof.scheduler.options import HERE, Workers
from bnproof.theory.common.errors import UserError

if TYPE_CHECKING:
    from bnproof.scheduler.job import Job, Outcome
    from bnproof.scheduler.jobs import Seed, Training
    from bnproof.scheduler.schedule import Engine
    from bnproof.sweep.plan import Fields, GridPoint

EACH: Final = 2 << 30  # bytes that a process may take


def sweep(
    file: Annotated[Path, Parameter(name="FILE")],
    /,
    *,
    data: str | None = None,
    out: Path = OUT,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int | None = None,
    retries: int = 1,
    time_limit: float | None = None,
    workers: Workers = HERE,
) -> int:
    """Carry out every combination of a grid; what is done is kept, and a second call does the rest.

    Parameters
    ----------
    file
        A TOML file: [run] or [experiment] says what all trials share, [grid] what varies.
    data
        photos, digits, or a folder with CIFAR-10, in place of the data that the file names.
    out
        Folder of all runs, and of the table of the sweep, which has the name of FILE. On a cluster
        it must be on a file system that all machines share, like the data.
    device
        Where PyTorch computes; auto takes a GPU if there is one, with Ray if a job has one.
    threads
        Threads of a job. Local: the cores divided among the jobs if not given. Ray: 1.
    retries
        Further attempts at a job whose process is killed.
    time_limit
        Minutes that a job may take; then it is stopped, resumable.
    """
    from bnproof.scheduler.drive import pending
    from bnproof.sweep.plan import read
    from bnproof.sweep.trials import job_of
    from bnproof.theory.common import files

    workers.check()
    for name, value, low in (("threads", threads, 1), ("retries", retries, 0)):
        if value is not None and value < low:
            raise UserError(f"--{name} {value}: must be at least {low}")
    if time_limit is not None and not 0 < time_limit < math.inf:
        raise UserError(f"--time-limit {time_limit}: must be positive and finite")
    place = workers.device(device)
    trials = read(file, _data(data))
    table = out / f"{file.stem}.csv"
    files.probe(table)
    jobs = [job_of(trial, out.resolve(), place) for trial in trials]
    engine = workers.start(len(pending(jobs)), device=place, each=EACH, threads=threads)
    limit = 60 * time_limit if time_limit else math.inf
    return _carry_out(trials, jobs, engine, table, retries, limit)


def _data(data: str | None) -> str | None:
    """A folder by its whole name, which means the same in every process."""
    from bnproof.empirical.data.load import EMBEDDED

    return data if data is None or data in EMBEDDED else str(Path(data).expanduser().resolve())


def _carry_out(
    trials: "list[GridPoint]",
    jobs: "list[Training | Seed]",
    engine: "Engine",
    table: Path,
    retries: int,
    limit: float,
) -> int:
    """Do what is not done and make the table; 1 if a trial failed, `LEFT` if one is left."""
    from bnproof.scheduler.drive import drive
    from bnproof.sweep.table import as_csv, as_text
    from bnproof.theory.common import files

    outcomes: dict[str, Outcome] = {}

    def ended(job: "Job", outcome: "Outcome") -> None:
        outcomes[job.key] = outcome

    drive(jobs, engine, ended, unit="trials", total=len(jobs), retries=retries, limit=limit)
    rows = [
        _row(trial, job, outcomes.get(job.key)) for trial, job in zip(trials, jobs, strict=True)
    ]
    files.write_text(table, as_csv(rows))
    print(as_text(rows))
    counts = Counter(row["status"] for row in rows)
    print(", ".join(f"{count} {status}" for status, count in counts.items()))
    print(table.resolve(), flush=True)
    return LEFT if counts["unfinished"] else 1 if counts["failed"] else 0


def _row(trial: "GridPoint", job: "Training | Seed", outcome: "Outcome | None") -> "Fields":
    """What varies, how it ended, what it showed, and where it is."""
    from bnproof.sweep.trials import shown

    result = job.run.result()
    row = {**trial.point, "status": "done", "folder": job.key}
    if result is not None:
        return row | shown(job, result)
    if outcome is None:
        return row | {"status": "unfinished"}
    return row | {"status": outcome.status, "note": outcome.note or None}
