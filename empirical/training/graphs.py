"""Training steps that are recorded once as CUDA graphs and then replayed.

A step of a small network consists of hundreds of kernels, each of which takes less time to run than
Python takes to launch it.  Two graphs are recorded: forward and backward pass, and the update.
Between the two, a loss can be read that no update may follow.  What changes from step to step is in
tensors whose addresses are recorded: the order of the images of an epoch, the position in it, and
the learning rate.

Replaying runs no Python, so that what a network computes must not depend on the values of tensors.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd

from bnproof.empirical.training.tasks import Task

WARM_UP: Final = 3  # runs before recording, as PyTorch's documentation asks for
Work = Callable[[], None]


class Recorder(Protocol):
    """Records work on a device."""

    def warm_up(self, work: Work) -> None:
        """Do the work, so that libraries choose algorithms and allocate memory before recording."""

    def record(self, work: Work) -> Work:
        """Record the work, perhaps without doing it; return a function that replays it.

        Raises
        ------
        RuntimeError
            If it cannot be recorded, for example because it reads a tensor's value.
        """


class CUDARecorder:
    """Records CUDA graphs, which share their memory and must be replayed in the same order."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.pool: Any = None

    def warm_up(self, work: Work) -> None:
        """Do the work on a side stream."""
        current, side = torch.cuda.current_stream(self.device), torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        side.wait_stream(current)
        with torch.cuda.stream(side):
            work()
        current.wait_stream(side)

    def record(self, work: Work) -> Work:
        """Record a CUDA graph."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool):
            work()
        self.pool = graph.pool()
        replay: Work = graph.replay
        return replay


def recorder(device: str) -> Recorder:
    """A recorder for the device."""
    return CUDARecorder(device)


def recorded(
    works: Sequence[Work], changed: Sequence[Tensor], recorder: Recorder, device: str
) -> list[Work]:
    """Record pieces of work that follow one another; nothing is changed meanwhile.

    Parameters
    ----------
    changed
        All tensors that the work changes and that exist before it.

    Raises
    ------
    RuntimeError
        If the work cannot be recorded.
    """
    with _restored(changed, device):
        for _ in range(WARM_UP):
            for work in works:
                recorder.warm_up(work)
        return [recorder.record(work) for work in works]


@contextmanager
def _restored(changed: Sequence[Tensor], device: str) -> Iterator[None]:
    """Give tensors and random generators their values back at the end."""
    kept = [tensor.detach().clone() for tensor in changed]
    here, there = torch.get_rng_state(), torch.cuda.get_rng_state(device)
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, before in zip(changed, kept, strict=True):
                tensor.copy_(before)
        torch.set_rng_state(here)
        torch.cuda.set_rng_state(there, device)


class GraphedStep:
    """Loss and update of a training step, recorded when it is made.

    It keeps the addresses of the network's weights and of the optimiser's momentum, so that it must
    be made anew after these have been replaced.

    Parameters
    ----------
    forward
        Maps inputs to logits, given other tensors for some of the weights.
    step
        The number of a step: the first epoch that is replayed is likely its own.
    half
        Whether `forward` uses autocast to bfloat16.  Then the weights that it would cast one by one
        are cast together, with the same numbers.

    Raises
    ------
    RuntimeError
        If the step cannot be recorded.
    """

    def __init__(
        self,
        model: nn.Module,
        forward: Callable[[Tensor, Mapping[str, Tensor]], Tensor],
        task: Task,
        optimiser: torch.optim.SGD,
        recorder: Recorder,
        device: str,
        step: int,
        *,
        half: bool,
    ) -> None:
        self.model, self.forward, self.task = model, forward, task
        self.optimiser, self.device = optimiser, device
        self._epoch = step // task.epoch_steps
        self._tables = [table.clone() for table in task.tables(step)]
        self._place = torch.zeros(1, dtype=torch.int64, device=device)
        self._rate = torch.zeros((), device=device)
        self._loss = torch.zeros((), device=device)
        named = dict(model.named_parameters())
        self._weights = list(named.values())
        self._halves = _halves(model) if half else {}
        self._wholes = [named[name].detach() for name in self._halves]
        self._leaves = list((named | self._halves).values())
        # Laid out as the weights, which the fused update requires of them.
        self._gradients = [torch.zeros_like(weight) for weight in self._weights]
        momentum = _momentum(optimiser, self._weights)
        self._momentum: list[Tensor | None] = [*momentum] or [None] * len(self._weights)
        model.train()
        changed = [*model.state_dict().values(), *momentum]
        self._replay, self._replay_update = recorded(
            [self._differentiate, self._descend], changed, recorder, device
        )

    def loss(self, step: int) -> Tensor:
        """The loss of one step, on the device; its gradient is kept for `update`."""
        epoch, place = divmod(step, self.task.epoch_steps)
        if epoch != self._epoch:
            for table, drawn in zip(self._tables, self.task.tables(step), strict=True):
                table.copy_(drawn)
            self._epoch = epoch
        self._place.fill_(place)
        self._replay()
        return self._loss.clone()

    def update(self, rate: float) -> None:
        """Take the step whose loss was computed last."""
        self._rate.fill_(rate)
        self._replay_update()

    def _differentiate(self) -> None:
        inputs, targets = self.task.take(self._tables, self._place)
        if self._halves:
            with torch.no_grad():
                torch._foreach_copy_(list(self._halves.values()), self._wholes)
        loss = self.task.loss(self.forward(inputs, self._halves), targets)
        gradients = torch.autograd.grad(loss, self._leaves)
        with torch.no_grad():
            torch._foreach_copy_(self._gradients, gradients)
            self._loss.copy_(loss)

    @torch.no_grad()
    def _descend(self) -> None:
        (group,) = self.optimiser.param_groups
        sgd(
            self._weights,  # type: ignore[arg-type]
            self._gradients,
            self._momentum,
            fused=True,  # the only implementation whose rate may be a tensor on a GPU
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            lr=self._rate,  # type: ignore[arg-type]
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )


def _halves(model: nn.Module) -> dict[str, Tensor]:
    """Copies in bfloat16 of the weights that autocast casts, by name."""
    return {
        f"{name}.{part}": weight.detach().to(torch.bfloat16).requires_grad_()
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
        for part, weight in module.named_parameters(recurse=False)
    }


def _momentum(optimiser: torch.optim.SGD, weights: Sequence[Tensor]) -> list[Tensor]:
    """The optimiser's momentum, 0 before its first step; empty if it has none."""
    if not optimiser.param_groups[0]["momentum"]:
        return []
    for weight in weights:
        if optimiser.state[weight].get("momentum_buffer") is None:
            optimiser.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    return [optimiser.state[weight]["momentum_buffer"] for weight in weights]
