"""The command `bnproof experiment`: run, resume and publish experiments on images.

Modules that need PyTorch are imported where they are used, so that ``--help`` is fast.
"""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import App, Parameter

from bnproof.commands.common import (
    OUT,
    UNFINISHED,
    deadline_in,
    refuse_to_publish,
    valid_seeds,
)
from bnproof.scheduler.options import DEFAULT_TRAINERS, Trainers
from bnproof.theory.common.errors import UserError, valid_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bnproof.empirical.experiment import Experiment
    from bnproof.results.run_requests import Request
    from bnproof.scheduler.job import Job, Outcome
    from bnproof.scheduler.jobs import Training
    from bnproof.theory.claim import Scale

RESULTS: Final = "results"
MEMORY: Final = 2 << 30  # bytes per process
ScaleName = Literal["smoke", "quick", "long", "paper"]

app = App(name="experiment")

for _name, _help in (
    ("trend", "Show how a verdict depends on the length of training and on the width."),
    ("spread", "Compare an experiment under the kernels of other processors."),
):
    app.command(f"bnproof.commands.trend:{_name}", name=_name, help=_help)


@app.command(name="list")
def list_() -> None:
    """List the experiments, their expected verdicts and published measurements.

    For published measurements the largest scale and the run time are shown.
    """
    from bnproof.catalogue import experiment_entries
    from bnproof.results.record_files import largest, read

    entries = experiment_entries()
    width = max(len(entry.id) for entry in entries)
    for entry in entries:
        path = largest(entry.id)
        record = None if path is None else read(path)
        scale, time_ = ("-", "-") if record is None else (record["scale"], _time(record["seconds"]))
        print(f"{entry.id:{width}}  {entry.expected:21}  {scale:5}  {time_:>6}  {entry.title}")


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.0f} min"


@app.command
def show(experiment_id: Annotated[str, Parameter(name="ID")], /) -> None:
    """Show one experiment: its criteria, its scales and the published result.

    Parameters
    ----------
    experiment_id
        Experiment to show; `bnproof experiment list` lists all.
    """
    from bnproof.catalogue import experiment

    claim = experiment(experiment_id)  # before the imports: an unknown id fails at once
    from bnproof.empirical.experiment import experiment_of
    from bnproof.results import published
    from bnproof.results.record_files import variants
    from bnproof.theory.claim import decide, why_undecided

    spec = experiment_of(claim)
    print(f"{claim.id}: {claim.title}\n")
    for source in claim.sources:
        print(f"source      {source}")
    for criterion in spec.criteria:
        print(f"criterion   {criterion.words}: {criterion.asked}")
    for control in spec.controls:
        print(f"control     {control.kind}: {control.words}")
    if spec.fixed:
        print(f"fixed       {spec.fixed.date}, commit {spec.fixed.commit}: criteria and controls")
    for name, words in spec.networks_in_words():
        print(f"{name:11} {words}")
    for scale, size in spec.sizes.items():
        print(f"{scale.value:11} {size.words(size.seeds)}{_cost(spec, scale)}")
    for name, variant in spec.variants.items():
        print(f"variant     {name}: {variant.words}")
    evidence = published.evidence(claim)
    if evidence:
        print(f"published   {decide([evidence])}: {evidence.setting}. {evidence.summary}")
        if why := why_undecided([evidence]):
            print(f"undecided   {why}")
    for path in variants(claim.id):
        other = published.judged(claim, published.read(path))
        print(f"variant     {path.suffixes[-2][1:]}: {decide([other])}: {other.summary}")
    print(f"expected    {claim.expected}")
    if claim.remark:
        print(f"remark      {claim.remark}")


def _cost(spec: "Experiment", scale: "Scale") -> str:
    """The time that training takes on one core, in both precisions."""
    from bnproof.empirical.plan import core_minutes

    if not spec.trains:
        return ""
    one, half = (core_minutes(spec, scale, precision=kind) for kind in ("float32", "bfloat16"))
    return f", {_minutes(one)} core-minutes ({_minutes(half)} in bfloat16)"


def _minutes(minutes: float) -> str:
    return f"{minutes:,.0f}" if minutes >= 1 else f"{minutes:.1g}"


def _core_minutes(trainings: "Sequence[Training]") -> str:
    """The time that training runs still take on one core, in words; none below a minute."""
    minutes = sum(job.cost * job.left for job in trainings) / 60
    return f"about {_minutes(minutes)} core-minutes" if minutes >= 1 else ""


@app.command
def run(
    *ids: Annotated[str, Parameter(name="ID")],
    scale: ScaleName = "quick",
    seeds: int | None = None,
    seed: int = 0,
    data: str | None = None,
    out: Path = OUT,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["float32", "bfloat16"] = "float32",
    mode: Literal["exact", "fast"] = "exact",
    variant: str = "",
    minutes: float | None = None,
    publish: bool = False,
    workers: Trainers = DEFAULT_TRAINERS,
) -> int:
    """Run experiments. Finished work is saved; repeat an interrupted command to resume it.

    Parameters
    ----------
    ids
        Experiments to run; all by default.
    scale
        smoke takes seconds, quick takes minutes on two cores, long trains smaller networks for as
        long as the source, paper uses the source's own settings.
    seeds
        Number of seeds; set by the scale by default.
    seed
        First seed, 0 or larger.
    data
        Images: photos or digits (embedded), cifar10 (downloaded once), or a folder with CIFAR-10
        (Parquet files or the official binary archive). By default the embedded data are used.
    out
        Folder for runs and results.
    device
        Device for PyTorch; auto uses a GPU if there is one.
    precision
        Precision of training. bfloat16 is faster on GPUs and processors that support it.
    mode
        How training computes: exact in full float32 and a fixed order, fast on a GPU with TF32 and
        CUDA graphs, so that two runs agree only within rounding. On a CPU, fast rounds differently
        and needs a C compiler.
    variant
        Name of a change of the protocol, such as decay; `bnproof experiment show` lists those of
        an experiment. Its measurements are kept apart and decide nothing.
    minutes
        Stop after this many minutes; the work can be resumed.
    publish
        Also write the measurements to src/bnproof/results/published; only in a checkout.
    """
    from bnproof.catalogue import experiment, experiments

    workers.check()
    refuse_to_publish(publish)
    valid_seed("--seed", seed)
    named = [experiment(name) for name in ids]  # before the imports: an unknown id fails at once
    from bnproof.empirical.data.load import load, locate
    from bnproof.empirical.runner import variant_of
    from bnproof.results.run_requests import Request

    valid_seeds(seeds)
    claims = named or experiments()
    if data is not None:
        data = locate(data)
        load(data, limit=1)
    request = Request(
        ids=tuple(claim.id for claim in claims),
        scale=scale,
        seeds=seeds,
        seed=seed,
        data=data,
        device=workers.device(device),
        precision=precision,
        mode=mode,
        variant=variant,
    )
    for claim in claims:
        variant_of(claim, request.settings())
    if mode == "fast" and request.device == "cpu":
        from bnproof.empirical.networks.fused import library

        library()  # without a C compiler, this fails before the work begins
    deadline = deadline_in(minutes)
    request.keep(out)
    return _carry_out([request], out, deadline, publish, workers)


@app.command
def resume(
    *,
    out: Path = OUT,
    minutes: float | None = None,
    publish: bool = False,
    workers: Trainers = DEFAULT_TRAINERS,
) -> int:
    """Resume all unfinished experiments in a folder of runs.

    Parameters
    ----------
    out
        Folder for runs and results.
    minutes
        Stop after this many minutes; the work can be resumed.
    publish
        Also write the measurements to src/bnproof/results/published; only in a checkout.
    """
    from bnproof.results.run_requests import requests

    workers.check()
    refuse_to_publish(publish)
    deadline = deadline_in(minutes)
    saved = requests(out)
    if not saved:
        raise UserError(f"{out}: nothing to resume; use `bnproof experiment run` first")
    return _carry_out(saved, out, deadline, publish, workers)


@app.command
def status(*, out: Path = OUT) -> None:
    """Show the requested experiments in a folder of runs and the progress of each training run.

    Parameters
    ----------
    out
        Folder of runs and results.
    """
    from bnproof.results import published
    from bnproof.results.record_files import name_of
    from bnproof.results.run_requests import requests, training_runs

    if not out.is_dir():
        raise UserError(f"{out}: no such folder; `bnproof experiment run --out {out}` creates it")
    for request in requests(out):
        for name in request.ids:
            path = out / RESULTS / name_of(name, request.scale, request.variant)
            # Of several requests for the same experiment and scale, the last one wrote the file.
            done = path.exists() and published.read(path)["command"] == request.command(name)
            print(f"{'done' if done else 'not done':8}  {request.command(name)}")
    for run in training_runs(out):
        print(run)


class _ExperimentRun:
    """One experiment of a request, with its seeds and their progress."""

    def __init__(self, request: "Request", name: str, out: Path) -> None:
        from bnproof.scheduler.jobs import seeds
        from bnproof.scheduler.packs import packed_seeds

        self.request, self.name, self.out = request, name, out
        self.seeds = packed_seeds(
            seeds(name, request.settings(), out.resolve(), count=request.seeds)
        )
        self.unfinished = {seed.key for seed in self.seeds}
        self.failed = False  # or an unexpected verdict

    def judge(self, threads: int, publish: bool) -> str:
        """Write the result and the figure; return the lines to print."""
        from bnproof.catalogue import experiment
        from bnproof.empirical.experiment import draw, experiment_of
        from bnproof.empirical.runner import measure
        from bnproof.report import figures
        from bnproof.results import published
        from bnproof.theory.claim import Scale, decide, why_undecided
        from bnproof.theory.ledger.verdict import agrees

        claim, request = experiment(self.name), self.request
        results = measure(claim, request.settings(), root=self.out, seeds=request.seeds)
        command, scale = request.command(self.name), Scale(request.scale)
        record = published.record(
            claim, scale, results, command=command, threads=threads, variant=request.variant
        )
        path = published.write(record, self.out / RESULTS)
        evidence = published.judged(claim, record)
        figures.write(path.with_suffix(".svg"), partial(draw, claim=claim, evidence=evidence))
        if publish:
            path = published.write(record)
        verdict = decide([evidence])
        # At the smallest scale, training is too short for the verdict to count; that of a variant
        # is not expected to be the same.
        counts = scale is not Scale.SMOKE or not experiment_of(claim).trains
        counts = counts and not request.variant
        self.failed = counts and not agrees(verdict, claim.expected)
        why = why_undecided([evidence])
        message = f"{self.name}  {verdict} ({scale}: {evidence.setting})  {evidence.summary}\n"
        return message + f"    {why}\n" * bool(why) + f"{path.resolve()}"


def _carry_out(
    requests: "Sequence[Request]",
    out: Path,
    deadline: float,
    publish: bool,
    workers: Trainers,
) -> int:
    """Run experiments; return 1 if a verdict is unexpected, `UNFINISHED` if work is left."""
    from bnproof.scheduler.drive import drive, pending
    from bnproof.scheduler.jobs import foreseen

    runs = [_ExperimentRun(request, name, out) for request in requests for name in request.ids]
    jobs = [seed for run in runs for seed in run.seeds]
    device = "cuda" if any(request.device == "cuda" for request in requests) else "cpu"
    engine = workers.start(len(pending(jobs)), device, memory=MEMORY, threads=workers.threads)
    ahead = foreseen(jobs)
    if words := _core_minutes(ahead):
        print(f"{len(ahead)} training runs, {words}", file=sys.stderr)

    def ended(job: "Job", outcome: "Outcome") -> str | None:
        lines = []
        for run in runs:
            if job.key not in run.unfinished or outcome.status == "unfinished":
                continue
            if outcome.status == "failed":
                run.failed = True
                lines.append(f"{job.name}: failed: {outcome.note}")
                continue
            run.unfinished.discard(job.key)
            if not run.unfinished:
                lines.append(run.judge(engine.threads, publish))
        return "\n".join(lines) or None

    drive(
        jobs, engine, ended, unit="experiments", total=len(runs), deadline=deadline, foreseen=ahead
    )
    unfinished = [run for run in runs if run.unfinished and not run.failed]
    for run in unfinished:
        words = _core_minutes(foreseen(run.seeds))
        left = f"{words} left; " if words else ""
        print(f"{run.name}: unfinished; {left}`bnproof experiment resume --out {out}` resumes it")
    return UNFINISHED if unfinished else 1 if any(run.failed for run in runs) else 0
