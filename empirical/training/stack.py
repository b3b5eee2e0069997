"""Networks that differ only in their seed, stacked into one whose steps are taken at once.

The weights are stacked along a new axis, over which PyTorch's ``vmap`` maps forward pass and loss:
convolutions become grouped ones.  Each network keeps its own images, statistics and learning rate.
Its numbers are those of a run alone, except that sums are rounded in another order.

A network whose loss exceeds the limit stays as it is while the others go on: which networks are to
be changed is a tensor, so that no step waits for a loss to be read.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from bnproof.empirical.training.graphs import Recorder, recorded
from bnproof.empirical.training.loop import READ, Trainer


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
        ends = accumulate(values.numel() for values in made.values())
        self.stacked = {
            name: self.block[end - values.numel() : end].view(values.shape)
            for (name, values), end in zip(made.items(), ends, strict=True)
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
        images = inputs.view(len(self.trainers), -1, *inputs.shape[1:])
        before = [flat.block.clone() for flat in self.buffers]
        buffers = {name: v for flat in self.buffers for name, v in flat.stacked.items()}
        losses = vmap(self._loss)(
            self._leaves, buffers, images, targets.view(len(self.trainers), -1)
        )
        gradients = torch.autograd.grad(losses.sum(), list(self._leaves.values()))
        with torch.no_grad():
            for flat, block in zip(self.buffers, before, strict=True):
                flat.keep(block, self._alive)
            self._losses.copy_(losses)
            # In float64 as on the CPU: in float32 the limit itself would be rounded.
            self._alive.logical_and_(losses.double() <= self.config.limit)
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
