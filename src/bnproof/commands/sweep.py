"""`bnproof sweep`: every combination of a grid, on this machine or on a cluster."""

import json
import math
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from bnproof.commands.common import OUT
from bnproof.theory.common.errors import UserError

if TYPE_CHECKING:
    from bnproof.sweep.plan import Fields, GridPoint
    from bnproof.sweep.process import Outcome
    from bnproof.sweep.trials import Task


def sweep(
    file: Annotated[Path, Parameter(name="FILE")],
    /,
    *,
    jobs: int | None = None,
    threads: int | None = None,
    data: str | None = None,
    out: Path = OUT,
    retries: int = 2,
    time_limit: float | None = None,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    gpus_per_trial: Literal[0, 1] = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> int:
    """Carry out every combination of a grid; what is done is kept, and a second call does the rest.

    Parameters
    ----------
    file
        A TOML file: [run] or [experiment] says what all trials share, [grid] what varies.
    jobs
        Trials at a time: a process each. Local: the number of cores if not given. Ray: as many as
        there is room for.
    threads
        Threads of a trial. Local: the cores divided among the jobs if not given. Ray: 1.
    data
        photos, digits, or a folder with CIFAR-10, in place of the data that the file names.
    out
        Folder of all runs, and of the table of the sweep, which has the name of FILE. On a cluster
        it must be on a file system that all machines share, like the data.
    retries
        Further attempts at a trial whose process is killed.
    time_limit
        Minutes that a trial may take; then it is stopped, resumable.
    engine
        local: processes of this machine. ray: a Ray cluster, or a local instance of Ray.
    address
        Address of a Ray cluster; that of RAY_ADDRESS, else a local instance, if not given.
    gpus_per_trial
        Ray: GPUs that each trial has for itself.
    device
        Where PyTorch computes; auto takes a GPU if there is one, with Ray if a trial has one.
    """
    from bnproof.sweep.plan import read
    from bnproof.theory.common import files

    for name, value, low in (("jobs", jobs, 1), ("threads", threads, 1), ("retries", retries, 0)):
        if value is not None and value < low:
            raise UserError(f"--{name} {value}: must be at least {low}")
    if time_limit is not None and not 0 < time_limit < math.inf:
        raise UserError(f"--time-limit {time_limit}: must be positive and finite")
    if engine == "local" and (address is not None or gpus_per_trial):
        raise UserError("--address and --gpus-per-trial are for --engine ray")
    place = _device(engine, device, gpus_per_trial)
    trials = read(file, _data(data))
    table = out / f"{file.stem}.csv"
    files.probe(table)
    seconds = 60 * time_limit if time_limit else math.inf
    chosen: dict[str, Any] = {"retries": retries, "seconds": seconds}
    if engine == "ray":
        chosen |= {"jobs": jobs, "threads": threads or 1}
        chosen |= {"gpus": gpus_per_trial, "address": address}
    else:
        at_once = min(jobs or _cores(), len(trials))
        chosen |= {"jobs": at_once, "threads": threads or max(1, _cores() // at_once)}
    return _carry_out(trials, engine, chosen, out, place, table)


def _device(engine: str, device: str, gpus: int) -> str:
    """The device of every trial, which need not be one of this machine."""
    from bnproof.commands.common import device as concrete

    if engine == "local":
        return concrete(device)
    if device == "cuda" and not gpus:
        raise UserError("--device cuda: with --engine ray, give --gpus-per-trial 1 as well")
    return "cuda" if gpus and device != "cpu" else "cpu"


def _data(data: str | None) -> str | None:
    """A folder by its whole name, which means the same in every process."""
    from bnproof.empirical.data.load import EMBEDDED

    return data if data is None or data in EMBEDDED else str(Path(data).expanduser().resolve())


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _carry_out(
    trials: "list[GridPoint]",
    engine: str,
    chosen: dict[str, Any],
    out: Path,
    device: str,
    table: Path,
) -> int:
    from tqdm import tqdm

    from bnproof.sweep import local, on_ray
    from bnproof.sweep.process import Outcome
    from bnproof.sweep.table import as_csv, as_text
    from bnproof.sweep.trials import task
    from bnproof.theory.common import files

    orders: list[dict[str, Any]] = [
        {"kind": trial.kind, "fields": trial.fields, "out": str(out.resolve()), "device": device}
        for trial in trials
    ]
    tasks = [task(**order) for order in orders]
    done = [one.run.result() is not None for one in tasks]
    left = [place for place, there in enumerate(done) if not there]
    outcomes = {place: Outcome("done") for place, there in enumerate(done) if there}
    run = on_ray.run if engine == "ray" else local.run
    results = run([json.dumps(orders[place]) for place in left], **chosen)
    interrupted = False
    try:
        with (
            _terminable(),
            closing(results),
            tqdm(total=len(trials), initial=sum(done), unit="trial", disable=None) as bar,
        ):
            for place, outcome in results:
                outcomes[left[place]] = outcome
                if outcome.log:
                    tqdm.write(outcome.log, file=sys.stderr)
                bar.update()
    except KeyboardInterrupt:
        interrupted = True
    rows = [
        _row(trial, one, outcomes.get(place))
        for place, (trial, one) in enumerate(zip(trials, tasks, strict=True))
    ]
    files.write_text(table, as_csv(rows))
    print(as_text(rows))
    counts = Counter(row["status"] for row in rows)
    print(", ".join(f"{count} {status}" for status, count in counts.items()))
    print(table.resolve(), flush=True)
    if interrupted:
        raise KeyboardInterrupt
    return 0 if counts["done"] == len(rows) else 1


def _row(trial: "GridPoint", task: "Task", outcome: "Outcome | None") -> "Fields":
    """What varies, how it ended, what it showed, and where it is."""
    result = task.run.result()
    row = {**trial.point, "status": "done", "folder": task.run.folder.name}
    if result is not None:
        return row | task.shown(result)
    if outcome is None:
        return row | {"status": "unfinished"}
    return row | {"status": outcome.status, "note": outcome.note or None}


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM, which a batch system sends before the time is over, stops a sweep like Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
