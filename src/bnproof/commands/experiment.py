"""`bnproof experiment`: experiments on images, measured at a stated scale, resumable, published.

What needs PyTorch is imported where it is used: ``--help`` waits for nothing.
"""

import math
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from cyclopts import App

from bnproof.commands.common import OUT
from bnproof.theory.common.errors import UserError, valid_seed

if TYPE_CHECKING:
    from bnproof.results.run_requests import Request

RESULTS: Final = "results"
ScaleName = Literal["smoke", "quick", "paper"]

app = App(name="experiment")


@app.command(name="list")
def list_() -> None:
    """List the experiments, the verdict that each is expected to get, and what is published of it.

    That is the largest scale at which it was measured, and how long that took.
    """
    from bnproof.catalogue import experiment_entries
    from bnproof.results.record_files import largest, read

    entries = experiment_entries()
    width = max(len(entry.id) for entry in entries)
    for entry in entries:
        path = largest(entry.id)
        record = None if path is None else read(path)
        scale, took = ("-", "-") if record is None else (record["scale"], _took(record["seconds"]))
        print(f"{entry.id:{width}}  {entry.expected:14}  {scale:5}  {took:>6}  {entry.title}")


def _took(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.0f} min"


@app.command
def show(experiment_id: str, /) -> None:
    """Show one experiment: its criteria, what each scale means, and what is published.

    Parameters
    ----------
    experiment_id
        Its id, as `bnproof experiment list` names it.
    """
    from bnproof.catalogue import experiment
    from bnproof.empirical.experiment import experiment_of
    from bnproof.results import published
    from bnproof.theory.claim import decide

    claim = experiment(experiment_id)
    trial = experiment_of(claim)
    print(f"{claim.id}: {claim.title}\n")
    for source in claim.sources:
        print(f"source      {source}")
    for criterion in trial.criteria:
        print(f"criterion   {criterion.words}: {criterion.asked}")
    print(f"control     {trial.control}")
    for name, value in trial.networks.items():
        print(f"{name:11} {value}")
    for scale, size in trial.sizes.items():
        print(f"{scale.value:11} {size.words(size.seeds)}")
    kept = published.evidence(claim)
    if kept:
        print(f"published   {decide([kept])}: {kept.summary}")
    print(f"expected    {claim.expected}")
    if claim.remark:
        print(f"remark      {claim.remark}")


@app.command
def run(
    *ids: str,
    scale: ScaleName = "quick",
    seeds: int | None = None,
    seed: int = 0,
    data: Path | None = None,
    out: Path = OUT,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    minutes: float | None = None,
    publish: bool = False,
) -> int:
    """Run experiments; what is done is kept, and a second call goes on where the first stopped.

    Parameters
    ----------
    ids
        Experiments to run; all when none is named.
    scale
        smoke: seconds. quick: minutes on two cores. paper: the source's own setting.
    seeds
        Number of seeds; that of the scale if not given.
    seed
        The first seed, 0 or larger.
    data
        Folder with CIFAR-10 (Parquet files or the official binary archive); embedded data if
        not given.
    out
        Folder of all runs and results.
    device
        Where PyTorch computes; auto takes a GPU if there is one.
    minutes
        Stop, resumable, after so many minutes.
    publish
        Write the measurements to src/bnproof/published too.
    """
    from bnproof.catalogue import experiment, experiments
    from bnproof.commands.common import device as concrete
    from bnproof.empirical.data.load import load
    from bnproof.results.run_requests import Request

    valid_seed("--seed", seed)
    if seeds is not None and seeds < 1:
        raise UserError(f"--seeds {seeds}: must be at least 1")
    claims = [experiment(name) for name in ids] or experiments()
    if data is not None:
        load(data, limit=1)
    request = Request(
        ids=tuple(claim.id for claim in claims),
        scale=scale,
        seeds=seeds,
        seed=seed,
        data=None if data is None else str(data.resolve()),
        device=concrete(device),
    )
    request.keep(out)
    return _carry_out(request, out, _deadline(minutes), publish)


@app.command
def resume(*, out: Path = OUT, minutes: float | None = None, publish: bool = False) -> int:
    """Go on with everything that was asked for in a folder of runs.

    Parameters
    ----------
    out
        Folder of all runs and results.
    minutes
        Stop, resumable, after so many minutes.
    publish
        Write the measurements to src/bnproof/published too.
    """
    from bnproof.results.run_requests import requests

    deadline = _deadline(minutes)
    asked = requests(out)
    if not asked:
        raise UserError(f"{out}: nothing was asked for there; use `bnproof experiment run` first")
    return max(_carry_out(request, out, deadline, publish) for request in asked)


@app.command
def status(*, out: Path = OUT) -> None:
    """Say what was asked for in a folder of runs, and how far each training run is.

    Parameters
    ----------
    out
        Folder of all runs and results.
    """
    from bnproof.results import published
    from bnproof.results.run_requests import requests, training_runs

    if not out.is_dir():
        raise UserError(f"{out}: no such folder; `bnproof experiment run --out {out}` makes it")
    for request in requests(out):
        for name in request.ids:
            path = out / RESULTS / f"{name}.{request.scale}.json"
            # The last of several requests for one experiment and scale has the file.
            done = path.exists() and published.read(path)["command"] == request.command(name)
            print(f"{'done' if done else 'not done':8}  {request.command(name)}")
    for run in training_runs(out):
        print(run)


def _deadline(minutes: float | None) -> float:
    if minutes is None:
        return math.inf
    if not 0 < minutes < math.inf:
        raise UserError(f"--minutes {minutes}: must be positive and finite")
    return time.monotonic() + 60 * minutes


def _carry_out(request: "Request", out: Path, deadline: float, publish: bool) -> int:
    """Measure, judge and write one request; 1 if a verdict is not the expected one."""
    from bnproof.catalogue import experiment
    from bnproof.commands.common import threads
    from bnproof.empirical.experiment import draw, experiment_of
    from bnproof.empirical.runner import measure
    from bnproof.empirical.trial import UnfinishedError
    from bnproof.report import figures
    from bnproof.results import published
    from bnproof.theory.claim import Scale, decide

    wrong = 0
    for name in request.ids:
        claim = experiment(name)
        try:
            results = measure(
                claim, request.settings(), root=out, seeds=request.seeds, deadline=deadline
            )
        except UnfinishedError:
            print(f"{name}: not done; `bnproof experiment resume --out {out}` goes on")
            continue
        record = published.record(
            claim, Scale(request.scale), results, command=request.command(name), threads=threads()
        )
        path = published.write(record, out / RESULTS)
        evidence = published.judged(claim, record)
        figures.write(path.with_suffix(".svg"), partial(draw, claim=claim, evidence=evidence))
        if publish:
            path = published.write(record)
        verdict = decide([evidence])
        print(f"{name}  {verdict} ({request.scale})  {evidence.summary}")
        print(path.resolve(), flush=True)
        # At the smallest scale training shows only that it runs.
        counts = request.scale != Scale.SMOKE or not experiment_of(claim).trains
        wrong += counts and verdict != claim.expected
    return 1 if wrong else 0
