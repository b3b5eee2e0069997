"""Train networks that differ only in their seed at once, as one stacked network.

A narrow network leaves most of a GPU idle.  Here the weights of several are stacked along a new
axis, over which PyTorch's ``vmap`` maps forward pass and loss: convolutions become grouped ones.
Each network keeps its own images, statistics and learning rate, and its own run folder.  Its
numbers are those of a run alone, except that sums are rounded in another order.

A network whose loss exceeds the limit stays as it is while the others go on: which networks are to
be changed is a tensor, so that no step waits for a loss to be read.
"""

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Final

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from bnproof.empirical.data.images import stream
from bnproof.empirical.networks.table import Noise, PowerNorm, build
from bnproof.empirical.training.arithmetic import exactly, fastest
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.graphs import Recorder, recorded, recorder
from bnproof.empirical.training.loop import EVERY, READ, Trainer, begin, finish, stoppable
from bnproof.empirical.training.run_folder import RunFolder, State
from bnproof.empirical.training.tasks import Classification, Data, LinearMap

NARROW: Final = 2_000_000  # weights up to which networks are stacked; not measured on a GPU yet
LARGEST: Final = 16  # networks in a stack


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
    network = build(training_config.network, generator=stream(0, "network"))
    for module in network.modules():
        if isinstance(module, Noise):
            return "random layers would draw other numbers"
        if isinstance(module, PowerNorm):
            return "PyTorch's vmap does not support the running averages of l_p norms"
    weights = sum(weight.numel() for weight in network.parameters())
    return "" if weights <= NARROW else f"{weights:,} weights: more than {NARROW:,} fill a GPU"


class _Flat:
    """Tensors of several networks, stacked and kept in one block of memory.

    Attributes
    ----------
    block
        All values, those of one tensor after the other.
    owner
        The network to which each of them belongs.
    stacked
        The tensors by name, each a view (networks, ...) of the block.
    """

    def __init__(self, parts: Mapping[str, Sequence[Tensor]]) -> None:
        made = {name: torch.stack(list(values)).contiguous() for name, values in parts.items()}
        self.block = torch.cat([values.flatten() for values in made.values()])
        self.owner = torch.cat(
            [
                torch.arange(len(values), device=values.device).repeat_interleave(values[0].numel())
                for values in made.values()
            ]
        )
        shapes = [values.shape for values in made.values()]
        pieces = self.block.split([shape.numel() for shape in shapes])
        self.stacked = {
            name: piece.view(shape) for name, piece, shape in zip(made, pieces, shapes, strict=True)
        }

    def keep(self, before: Tensor, changed: Tensor) -> None:
        """Give the values `before` back to all networks but those that are `changed`, (n,) bool."""
        self.block.copy_(torch.where(changed[self.owner], self.block, before))


class Stack:
    """Trainers whose next steps are taken together.

    Parameters
    ----------
    trainers
        At the same step of configurations that differ only in their seed.
    recorder
        Records the step as a graph; None takes it eagerly.

    Raises
    ------
    RuntimeError
        If the step cannot be recorded.
    """

    def __init__(self, trainers: Sequence[Trainer], recorder: Recorder | None = None) -> None:
        self.trainers = list(trainers)
        first = self.trainers[0]
        self.config, self.task, self.device = first.training_config, first.task, first.device
        self.step = first.progress.step
        self.model = first.model
        weights = [dict(trainer.model.named_parameters()) for trainer in self.trainers]
        buffers = [dict(trainer.model.named_buffers()) for trainer in self.trainers]
        with torch.no_grad():
            self.weights = _Flat(_transposed(weights))
            self.momentum = _Flat(_transposed([self._momentum_of(t) for t in self.trainers]))
            kinds = sorted({str(value.dtype) for value in buffers[0].values()})
            self.buffers = [
                _Flat(_transposed([_of_kind(values, kind) for values in buffers])) for kind in kinds
            ]
        self._leaves = {
            name: values.detach().requires_grad_() for name, values in self.weights.stacked.items()
        }
        count = len(self.trainers)
        self._alive = torch.ones(count, dtype=torch.bool, device=self.device)
        self._set: list[float] = []  # the rates on the device
        block = self.weights.block
        self._rates = block.new_zeros(count)
        self._set_rates()
        self._losses = block.new_zeros(count)
        self._place = torch.zeros(1, dtype=torch.int64, device=self.device)
        self._epoch = self.step // self.task.epoch_steps
        self._tables = self._drawn()
        self._unread: list[Tensor] = []  # losses of all networks
        self.model.train()
        self._take: Callable[[], None] = self._advance_all
        if recorder is not None:
            changed = [self.weights.block, self.momentum.block, self._alive]
            changed += [flat.block for flat in self.buffers]
            (self._take,) = recorded([self._advance_all], changed, recorder, self.device)

    def advance(self) -> bool:
        """Take a step of every network; return whether the losses have been read.

        Then the progress of the trainers is up to date, and their networks are after `unstack`.
        """
        epoch, place = divmod(self.step, self.task.epoch_steps)
        if epoch != self._epoch:
            self._epoch = epoch
            for table, drawn in zip(self._tables, self._drawn(), strict=True):
                table.copy_(drawn)
        self._place.fill_(place)
        self._take()
        self._unread.append(self._losses.clone())
        self.step += 1
        config = self.config
        ended = self.step % config.every == 0 or self.step == config.steps
        epoch_ended = config.schedule == "plateau" and self.step % self.task.epoch_steps == 0
        read = ended or epoch_ended or len(self._unread) == READ
        if read:
            self.read()
        for trainer in self.trainers:
            if not trainer.progress.diverged:
                trainer.progress.step = self.step
                trainer.schedule()
        self._set_rates()
        return read

    def read(self) -> None:
        """Read the losses since the last reading and record them."""
        rows: list[list[float]] = torch.stack(self._unread).tolist() if self._unread else []
        self._unread = []
        for step, row in enumerate(rows, start=self.step - len(rows) + 1):
            for trainer, loss in zip(self.trainers, row, strict=True):
                progress = trainer.progress
                if progress.diverged:
                    continue
                progress.count(step, loss, self.config, self.task.epoch_steps)
                if progress.diverged:
                    progress.step = step - 1
                    trainer.schedule()  # back to the rate of the step that diverged
                    progress.step = step

    @torch.no_grad()
    def unstack(self) -> None:
        """Copy weights, statistics and momentum to the trainers' own networks and optimisers."""
        values: dict[str, Tensor] = dict(self.weights.stacked)
        for flat in self.buffers:
            values |= flat.stacked
        for number, trainer in enumerate(self.trainers):
            own = trainer.model.state_dict()
            for name, value in values.items():
                own[name].copy_(value[number])
            for name, buffer in self._momentum_of(trainer).items():
                buffer.copy_(self.momentum.stacked[name][number])

    def _advance_all(self) -> None:
        inputs, targets = self.task.take(self._tables, self._place)
        apart = (len(self.trainers), -1)
        before = [flat.block.clone() for flat in self.buffers]
        buffers = {name: v for flat in self.buffers for name, v in flat.stacked.items()}
        losses = vmap(self._loss)(
            self._leaves, buffers, inputs.unflatten(0, apart), targets.unflatten(0, apart)
        )
        gradients = torch.autograd.grad(losses.sum(), list(self._leaves.values()))
        with torch.no_grad():
            for flat, block in zip(self.buffers, before, strict=True):
                flat.keep(block, self._alive)
            self._losses.copy_(losses)
            self._alive.logical_and_(losses <= self.config.limit)
            self._descend(torch.cat([gradient.flatten() for gradient in gradients]))

    def _loss(
        self,
        weights: Mapping[str, Tensor],
        buffers: Mapping[str, Tensor],
        inputs: Tensor,
        targets: Tensor,
    ) -> Tensor:
        logits: Tensor = functional_call(self.model, (dict(weights), dict(buffers)), (inputs,))
        return self.task.loss(logits, targets)

    def _descend(self, gradient: Tensor) -> None:
        """The update of `torch.optim.SGD` for the networks that are alive."""
        weights, momentum, config = self.weights, self.momentum, self.config
        velocity = gradient.add(weights.block, alpha=config.decay)
        velocity.add_(momentum.block, alpha=config.momentum)
        before = weights.block.clone()
        weights.block.addcmul_(self._rates[weights.owner], velocity, value=-1)
        weights.keep(before, self._alive)
        before = momentum.block.clone()
        momentum.block.copy_(velocity)
        momentum.keep(before, self._alive)

    def _drawn(self) -> list[Tensor]:
        """The tables of the current epoch, the networks' batches side by side."""
        step = self._epoch * self.task.epoch_steps
        own = [trainer.task.tables(step) for trainer in self.trainers]
        return [torch.cat(tables, dim=1) for tables in zip(*own, strict=True)]

    def _set_rates(self) -> None:
        rates = [trainer.progress.rate for trainer in self.trainers]
        if rates != self._set:
            for row, rate in zip(self._rates, rates, strict=True):
                row.fill_(rate)
            self._set = rates

    @staticmethod
    def _momentum_of(trainer: Trainer) -> dict[str, Tensor]:
        """The optimiser's momentum by the name of the weight, 0 before its first step."""
        state = trainer.optimiser.state
        named = dict(trainer.model.named_parameters())
        for weight in named.values():
            if state[weight].get("momentum_buffer") is None:
                state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        return {name: state[weight]["momentum_buffer"] for name, weight in named.items()}


def _transposed(networks: Sequence[Mapping[str, Tensor]]) -> dict[str, list[Tensor]]:
    return {name: [tensors[name] for tensors in networks] for name in networks[0]}


def _of_kind(values: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    return {name: value for name, value in values.items() if str(value.dtype) == kind}


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
    UserError, KeyboardInterrupt
        As `train`.
    """
    runs = [RunFolder(root, one.config(data, device)) for one in training_configs]
    with ExitStack() as held:
        for run in sorted(runs, key=lambda run: run.folder.name):  # so that no two wait in a circle
            held.enter_context(run.held(wait))
        held.enter_context(torch.random.fork_rng(devices=[]))
        held.enter_context(exactly())
        wish = held.enter_context(stoppable())

        def stop(step: int) -> bool:
            reached = until is not None and step >= until
            return bool(wish) or reached or time.monotonic() > deadline

        begun: list[tuple[RunFolder, Trainer]] = []
        for run, training_config in zip(runs, training_configs, strict=True):
            if run.result() is None:
                torch.manual_seed(training_config.seed)
                begun.append((run, _trainer(training_config, data, device, begun)))
                begin(*begun[-1])
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
