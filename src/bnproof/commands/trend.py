"""The commands `bnproof experiment trend` and `spread`: how a verdict depends on the setting.

Modules that need PyTorch are imported where they are used, so that ``--help`` is fast.
"""

import math
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import Parameter

from bnproof.commands.common import (
    OUT,
    UNFINISHED,
    deadline_in,
    refuse_to_publish,
    valid_seeds,
)
from bnproof.commands.experiment import RESULTS
from bnproof.scheduler.options import DEFAULT_TRAINERS
from bnproof.theory.common.errors import UserError, valid_seed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bnproof.empirical.trend import Point
    from bnproof.results.run_requests import Request
    from bnproof.theory.claim import Claim

FOLDER: Final = "trends"
LIMITED: Final = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA")  # by the settings of `spread`


def trend(
    experiment_id: Annotated[str, Parameter(name="ID")],
    /,
    *,
    seeds: int | None = None,
    seed: int = 0,
    data: str | None = None,
    out: Path = OUT,
    device: Literal["cpu", "cuda"] = "cpu",
    precision: Literal["float32", "bfloat16"] = "float32",
    mode: Literal["exact", "fast"] = "exact",
    train: bool = False,
    publish: bool = False,
) -> int:
    """Show how the verdict of an experiment depends on the length of training and on the width.

    It reads saved runs of the scales quick and long and of their variants of other widths. The
    beginning of a run stands for a shorter one. The exit status is 3 if runs are missing, which are
    listed.

    Parameters
    ----------
    experiment_id
        Experiment; its learning rates must be constant.
    seeds
        Number of seeds; set by the scale by default.
    seed
        First seed, 0 or larger.
    data, device, precision, mode
        Those of the saved runs, as for `bnproof experiment run`.
    out
        Folder of the saved runs.
    train
        Also carry out the training runs that are missing, one after the other.
    publish
        Also write the trend to src/bnproof/results/trends; only in a checkout.
    """
    from bnproof.catalogue import experiment

    refuse_to_publish(publish)
    valid_seed("--seed", seed)
    claim = experiment(experiment_id)
    from bnproof.empirical.data.load import load, locate
    from bnproof.empirical.experiment import experiment_of
    from bnproof.empirical.trend import SCALES, lengths
    from bnproof.results import trends
    from bnproof.results.run_requests import Request

    valid_seeds(seeds)
    spec = experiment_of(claim)
    if not any(lengths(spec, scale) for scale in SCALES):
        raise UserError(
            f"{claim.id}: has no trend; its runs differ in length, or their rate depends on it"
        )
    place = None if data is None else locate(data)
    name = spec.data or load(place, limit=1).name
    variants = ["", *(variant for variant in spec.variants if variant.startswith("width-"))]
    found: list[Point] = []
    left: list[str] = []
    usual = Request(
        ids=(claim.id,),
        scale="quick",
        seeds=seeds,
        seed=seed,
        data=place,
        device=DEFAULT_TRAINERS.device(device),
        precision=precision,
        mode=mode,
    )
    for scale in SCALES:
        for variant in variants:
            request = replace(usual, scale=scale.value, variant=variant)
            measured, missing = _points(claim, request, out, train)
            found += measured
            if missing:
                left.append(f"{missing} training runs left; `{request.command(claim.id)}`")
    if found:
        command = " ".join(["bnproof experiment trend", claim.id, *usual.options()])
        record = trends.record(claim, found, data=name, command=command, threads=_threads())
        path = trends.write(record, out / FOLDER)
        if publish:
            path = trends.write(record)
        _show(claim, record)
        print(path.resolve())
    for line in left:
        print(f"{claim.id}: unfinished; {line}")
    return UNFINISHED if left else 0


def _points(
    claim: "Claim", request: "Request", out: Path, train: bool
) -> "tuple[list[Point], int]":
    """The points of one scale and variant, and the number of training runs that are missing."""
    from bnproof.empirical.trend import Point, points
    from bnproof.empirical.trial import here, look_up

    runner = here if train else look_up
    found, missing = list[Point](), set[str]()
    for point in points(claim, request.settings(), out, seeds=request.seeds, runner=runner):
        if isinstance(point, Point):
            found.append(point)
        else:
            missing |= set(point.parts)
    return found, len(missing)


def _show(claim: "Claim", record: dict[str, object]) -> None:
    """Print the verdict at each point, and where it turns."""
    from bnproof.results import trends

    points = trends.judged(claim, record)
    for point in points:
        width = "" if point.width is None else f"width {point.width:3}, "
        print(f"{width}{point.updates:6,} updates  {point.verdict}")
    print(trends.words(points))


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def spread(
    experiment_id: Annotated[str, Parameter(name="ID")],
    /,
    *,
    scale: Literal["smoke", "quick", "long", "paper"] = "quick",
    seeds: int | None = None,
    data: str | None = None,
    out: Path = OUT,
    precision: Literal["float32", "bfloat16"] = "float32",
    minutes: float | None = None,
    publish: bool = False,
) -> int:
    """Repeat an experiment with the kernels of other processors; compare the spread with seeds'.

    It is run three times: as it is, and with PyTorch and oneDNN limited to AVX2 and to no vector
    instructions beyond SSE. Finished work is saved; repeat an interrupted command to resume it. The
    exit status is 1 if the verdicts differ, and 3 if work is left.

    Parameters
    ----------
    experiment_id
        Experiment to run.
    scale, seeds, data, precision
        As for `bnproof experiment run`.
    out
        Folder for runs and results, each in a folder of its own below it.
    minutes
        Stop after this many minutes; the work can be resumed.
    publish
        Also write the comparison to src/bnproof/results/processors; only in a checkout.
    """
    from bnproof.catalogue import experiment

    refuse_to_publish(publish)
    deadline = deadline_in(minutes)
    claim = experiment(experiment_id)
    from bnproof.empirical.data.load import load, locate
    from bnproof.results import processors
    from bnproof.results.record_files import name_of, read
    from bnproof.results.run_requests import Request
    from bnproof.theory.claim import decide

    valid_seeds(seeds)
    if data is not None:
        data = locate(data)
        load(data, limit=1)
    words = [claim.id, "--scale", scale, "--precision", precision, "--device", "cpu", "--jobs", "1"]
    words += ["--data", data] if data is not None else []
    words += ["--seeds", str(seeds)] if seeds is not None else []
    measured = {}
    for name, limits in processors.SETTINGS.items():
        folder = out / processors.FOLDER.name / name
        left = (deadline - time.monotonic()) / 60
        status, output = _run([*words, "--out", str(folder)], limits, left)
        path = folder / RESULTS / name_of(claim.id, scale)
        if status == UNFINISHED:
            print(f"{claim.id}: unfinished under {name}; repeat the command to resume it")
            return UNFINISHED
        # At status 1 it has another verdict, or failed; then a file is that of an earlier run.
        if status not in (0, 1) or str(path.resolve()) not in output.splitlines():
            print(f"{claim.id}: failed under {name}\n{output}".rstrip())
            return status or 1
        measured[name] = read(path)
    request = Request(
        ids=(claim.id,),
        scale=scale,
        seeds=seeds,
        seed=0,
        data=data,
        device="cpu",
        precision=precision,
    )
    options = ["--scale", scale, *request.options()]
    command = " ".join(["bnproof experiment spread", claim.id, *options])
    comparison = processors.record(claim, measured, command=command)
    path = processors.write(comparison, out / processors.FOLDER.name)
    if publish:
        path = processors.write(comparison)
    evidence = processors.judged(claim, comparison)
    for row in (processors.columns(evidence), *processors.rows(claim, evidence)):
        print("  ".join(row))
    print(f"{claim.id}: {processors.words(evidence)}")
    print(path.resolve())
    return 0 if len({decide([one]) for one in evidence.values()}) == 1 else 1


def _run(words: list[str], limits: "Mapping[str, str]", minutes: float) -> tuple[int, str]:
    """Run an experiment in a process with these limits; return its exit status and output."""
    if minutes <= 0:
        return UNFINISHED, ""
    if math.isfinite(minutes):
        words = [*words, "--minutes", str(minutes)]
    command = [sys.executable, "-m", "bnproof", "experiment", "run", *words]
    environment = {name: value for name, value in os.environ.items() if name not in LIMITED}
    done = subprocess.run(
        command, env=environment | dict(limits), stdout=subprocess.PIPE, text=True, check=False
    )
    return done.returncode, done.stdout
