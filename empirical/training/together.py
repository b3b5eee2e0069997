"""Train several seeds of a narrow network at once, each in its own run folder.

A narrow network leaves most of a GPU idle.  On a CPU nothing is gained: four VGGs of width 16 took
7.8 times as long as one, because grouped convolutions are slow there.
"""

import math
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Final

import torch

from bnproof.empirical.data.images import stream
from bnproof.empirical.networks.table import Noise, PowerNorm, build
from bnproof.empirical.training.arithmetic import exactly, fastest
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.graphs import recorder
from bnproof.empirical.training.loop import EVERY, Trainer, begin, finish
from bnproof.empirical.training.run_folder import RunFolder, State
from bnproof.empirical.training.stack import Stack
from bnproof.empirical.training.tasks import Classification, Data, LinearMap
from bnproof.theory.common.errors import UserError
from bnproof.theory.common.interrupts import collected

# Ours, not measured on a GPU yet: up to how many weights networks are stacked, and how many.
NARROW: Final = 2_000_000
LARGEST: Final = 16


def why_alone(training_config: TrainingConfig, data: Data) -> str:
    """Why a run must not be stacked with those of other seeds; empty if it may be."""
    if training_config.mode != "fast":
        return "mode 'exact' repeats every digit of a run alone"
    if training_config.precision != "float32":
        return "PyTorch's vmap does not support autocast"
    if isinstance(data, LinearMap):
        return "the data depend on the seed"
    if training_config.network.get("init") == "lsuv":
        return "init 'lsuv' needs the images of each seed"
    try:
        network = build(training_config.network, generator=stream(0, "network"))
    except UserError as error:
        return str(error)
    for module in network.modules():
        if isinstance(module, Noise):
            return "random layers would draw other numbers"
        if isinstance(module, PowerNorm):
            return "PyTorch's vmap does not support the running averages of l_p norms"
    weights = sum(weight.numel() for weight in network.parameters())
    return "" if weights <= NARROW else f"{weights:,} weights: more than {NARROW:,} fill a GPU"


def train_together(
    training_configs: Sequence[TrainingConfig],
    data: Data,
    *,
    root: Path,
    device: str,
    until: int | None = None,
    deadline: float = math.inf,
    wait: float = 0.0,
) -> list[State | None]:
    """Carry out training runs that differ only in their seed, each in its own run folder.

    Parameters
    ----------
    training_configs
        Configurations for which `why_alone` has no reason.
    data, root, device, until, deadline, wait
        As for `bnproof.empirical.training.loop.train`, which can also begin or resume any of the
        runs.

    Returns
    -------
    list
        For each run what `train` returns.

    Raises
    ------
    UserError
        As `train`.
    KeyboardInterrupt
        As `train`.
    """
    runs = [RunFolder(root, one.config(data, device)) for one in training_configs]
    with ExitStack() as held:
        for run in sorted(runs, key=lambda run: run.folder.name):  # so that no two wait in a circle
            held.enter_context(run.held(wait))
        held.enter_context(torch.random.fork_rng(devices=[]))
        held.enter_context(exactly())
        wish = held.enter_context(collected())

        def stop(step: int) -> bool:
            reached = until is not None and step >= until
            return bool(wish) or reached or time.monotonic() > deadline

        begun: list[tuple[RunFolder, Trainer]] = []
        for run, training_config in zip(runs, training_configs, strict=True):
            if run.result() is None:
                torch.manual_seed(training_config.seed)
                trainer = _trainer(training_config, data, device, begun)
                begin(run, trainer)
                if trainer.done:  # killed between its last step and its result
                    finish(run, trainer)
                else:
                    begun.append((run, trainer))
        begun.sort(key=lambda pair: pair[1].progress.step)
        for _, pairs in groupby(begun, key=lambda pair: pair[1].progress.step):
            _steps(list(pairs), stop)
        if wish:
            raise KeyboardInterrupt
        return [run.result() for run in runs]


def _trainer(
    training_config: TrainingConfig,
    data: Data,
    device: str,
    others: Sequence[tuple[RunFolder, Trainer]],
) -> Trainer:
    trainer = Trainer(training_config, data, device)
    if others:
        mine, theirs = trainer.task, others[0][1].task
        assert isinstance(mine, Classification)
        assert isinstance(theirs, Classification)
        mine.share(theirs)
    return trainer


def _steps(left: list[tuple[RunFolder, Trainer]], stop: Callable[[int], bool]) -> None:
    """Take steps until all runs are done or `stop` says so; they are at the same step."""
    stack = _recorded([trainer for _, trainer in left])
    saved = begun = time.monotonic()
    while left:
        stopping = stop(stack.step)
        with fastest():
            read = not stopping and stack.advance()
        overdue = time.monotonic() - saved > EVERY
        if not (read or stopping or overdue):
            continue
        stack.read()
        stack.unstack()
        for run, trainer in left:
            progress = trainer.progress
            if trainer.done or (read and progress.step % stack.config.every == 0):
                run.record(trainer.evaluate())
        now = time.monotonic()
        for run, trainer in left:
            trainer.progress.seconds += (now - begun) / len(left)
            if trainer.done:
                finish(run, trainer)
            elif stopping or overdue:
                run.save(trainer.progress.step, trainer.state())
        left = [(run, trainer) for run, trainer in left if not trainer.done]
        begun, saved = now, now if overdue else saved
        if stopping:
            return


def _recorded(trainers: Sequence[Trainer]) -> Stack:
    """A stack whose steps are replayed from a graph if they can be recorded."""
    execution = f"stack of {len(trainers)}"
    try:
        with fastest():
            stack = Stack(trainers, recorder(trainers[0].device))
        execution += ", CUDA graph"
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        execution += f", eager: {str(error).strip().splitlines()[0]}"
        print(f"no CUDA graph: {execution}", file=sys.stderr)
        stack = Stack(trainers)
    for trainer in trainers:
        trainer.execution = execution
    return stack
