"""The command `bnproof sweep`: run all combinations of a grid, locally or on a cluster."""

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import Parameter

from bnproof.commands.common import OUT, UNFINISHED
from bnproof.scheduler.options import DEFAULT_TRAINERS, Trainers
from bnproof.theory.common.errors import UserError

if TYPE_CHECKING:
    from bnproof.scheduler.job import Job, Outcome
    from bnproof.scheduler.jobs import Seed, Training
    from bnproof.scheduler.schedule import Engine
    from bnproof.sweep.plan import Fields, GridPoint

MEMORY: Final = 2 << 30  # bytes per process


def sweep(
    file: Annotated[Path, Parameter(name="FILE")],
    /,
    *,
    data: str | None = None,
    out: Path = OUT,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    retries: int = 1,
    time_limit: float | None = None,
    workers: Trainers = DEFAULT_TRAINERS,
) -> int:
    """Run all combinations of a grid. Repeat an interrupted command to resume it.

    Parameters
    ----------
    file
        A TOML file: [run] or [experiment] holds what all trials share, [grid] what varies.
    data
        Images: photos or digits (embedded), cifar10 (downloaded once), or a folder with CIFAR-10
        (Parquet files or the official binary archive). By default the embedded data are used.
        Overrides the data named in FILE.
    out
        Folder for the runs and the table of results, which is named after FILE. On a cluster it
        must be on a file system shared by all machines, like the data.
    device
        Device for PyTorch; auto uses a GPU if there is one (with Ray: if --gpus-per-job is given).
    retries
        How often to restart a job whose process was killed.
    time_limit
        Time limit per job in minutes; a job that exceeds it is stopped and can be resumed.
    """
    from bnproof.scheduler.drive import pending
    from bnproof.scheduler.packs import packed
    from bnproof.sweep.plan import read
    from bnproof.sweep.trials import job_of
    from bnproof.theory.common import files

    workers.check()
    if retries < 0:
        raise UserError(f"--retries {retries}: must be at least 0")
    if time_limit is not None and not 0 < time_limit < math.inf:
        raise UserError(f"--time-limit {time_limit}: must be positive and finite")
    resolved = workers.device(device)
    trials = read(file, data)
    table = out / f"{file.stem}.csv"
    files.probe(table)
    jobs = packed([job_of(trial, out.resolve(), resolved) for trial in trials])
    engine = workers.start(len(pending(jobs)), resolved, memory=MEMORY, threads=workers.threads)
    limit = 60 * time_limit if time_limit else math.inf
    return _carry_out(trials, jobs, engine, table, retries, limit)


def _carry_out(
    trials: "list[GridPoint]",
    jobs: "list[Training | Seed]",
    engine: "Engine",
    table: Path,
    retries: int,
    limit: float,
) -> int:
    """Run the jobs and write the table; return 1 if one failed, `UNFINISHED` if one is left."""
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
    return UNFINISHED if counts["unfinished"] else 1 if counts["failed"] else 0


def _row(trial: "GridPoint", job: "Training | Seed", outcome: "Outcome | None") -> "Fields":
    """Return a row of the table: grid point, status, run folder and results."""
    from bnproof.sweep.trials import shown

    result = job.run.result()
    row = {**trial.point, "status": "done", "folder": job.key}
    if result is not None:
        return row | shown(job, result)
    if outcome is None:
        return row | {"status": "unfinished"}
    return row | {"status": outcome.status, "note": outcome.note or None}
