"""Train a network: the one loop that all experiments use.

A run is a function of its configuration, the images and the device.  The order of the images is
drawn from (seed, epoch) and the augmentation from (seed, step), so that a run that was killed and
resumed takes the same steps.  A loss that is not finite or exceeds the configured limit ends the
run as diverged: that is a result, not an error.

On a GPU, losses stay in its memory and are read every `READ` steps, so that no step waits for the
loss of another.  If a reading shows that the run has diverged, the trainer returns to the previous
reading and repeats the steps, reading every loss.
"""

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any, Final

import torch
from torch import Tensor, nn
from tqdm import tqdm

from bnproof.empirical.data.images import stream
from bnproof.empirical.metrics.step import TrainingState
from bnproof.empirical.networks.table import build
from bnproof.empirical.training.allocation import keep_memory
from bnproof.empirical.training.callbacks import callback
from bnproof.empirical.training.config import DROP, MILESTONES, TrainingConfig
from bnproof.empirical.training.progress import Progress
from bnproof.empirical.training.provenance import surroundings
from bnproof.empirical.training.run_folder import RunFolder, State, plain
from bnproof.empirical.training.tasks import Data, task
from bnproof.theory.common.commit import commit
from bnproof.theory.common.errors import UserError

EVERY: Final = 30.0  # seconds between checkpoints
READ: Final = 50  # steps on a GPU between two readings of the losses


class Trainer:
    """A run in progress.

    Raises
    ------
    UserError
        If the batch is larger than the training set, or the network is not known.
    """

    def __init__(self, training_config: TrainingConfig, data: Data, device: str = "cpu") -> None:
        self.training_config, self.device = training_config, device
        self._unread: list[Tensor] = []  # losses not yet read, on the device
        self._kept: State | None = None  # the state before the first of them
        self._careful = 0  # every loss is read up to this step
        self.progress = Progress(rate=training_config.rate)
        self.task = task(training_config, data, device)
        self.callbacks = {name: callback(name) for name in training_config.metrics}
        self.model = self._network()
        self.model.to(device=device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.SGD(
            self.model.parameters(),
            lr=training_config.rate,
            momentum=training_config.momentum,
            weight_decay=training_config.decay,
            fused=device == "cpu" or None,  # one loop instead of several calls per parameter
        )

    @cached_property
    def reference(self) -> Tensor:
        """The inputs of step 0."""
        return self.task.batch(0)[0]

    def _network(self) -> nn.Module:
        inputs, _ = self.task.batch(0)  # for data-dependent initialisations
        draws = stream(self.training_config.seed, "network")
        return build(self.training_config.network, generator=draws, inputs=inputs.cpu())

    @property
    def on_gpu(self) -> bool:
        """Whether random layers draw their numbers on a GPU."""
        return self.device.startswith("cuda")

    @property
    def done(self) -> bool:
        """Whether no step is left to take."""
        return self.progress.diverged or self.progress.step >= self.training_config.steps

    def state(self) -> State:
        """Everything that future steps depend on."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "progress": asdict(self.progress),
            "random": torch.get_rng_state(),
            "random on device": torch.cuda.get_rng_state(self.device) if self.on_gpu else None,
        }

    def load(self, state: State) -> None:
        """Restore a `state`."""
        self._unread = []
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.progress = Progress(**state["progress"])
        torch.set_rng_state(state["random"])
        if self.on_gpu:
            torch.cuda.set_rng_state(state["random on device"], self.device)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits as float32, computed in the configured precision."""
        half = self.training_config.precision == "bfloat16"
        with torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16, enabled=half):
            logits: Tensor = self.model(inputs)
        return logits.float()

    def update(self) -> float:
        """Take one step unless the loss exceeds the limit; return the loss before it."""
        self.settle()
        self._careful = self.progress.step + 1
        value = self.advance()
        assert value is not None
        return value

    def advance(self) -> float | None:
        """As `update`, but return None if the loss is to be read later, as most are on a GPU.

        If an earlier loss turns out to exceed the limit, the trainer returns to an earlier step.
        """
        progress = self.progress
        if self._every_loss:
            self._kept = None
        elif not self._unread:
            self._kept = _copied(self.state())
        inputs, targets = self.task.batch(progress.step)
        self.model.train()
        loss = self.task.loss(self.forward(inputs), targets)
        self._unread.append(loss.detach())
        progress.step += 1
        value = None
        if self._due:
            value = self._read()
            if value is None or progress.diverged:
                return value
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self._schedule()
        return value

    @property
    def _every_loss(self) -> bool:
        """Whether the loss of the next step is read before its update."""
        return not self.on_gpu or self.progress.step < self._careful

    @property
    def _due(self) -> bool:
        """Whether the losses must be read before the current update."""
        config, step = self.training_config, self.progress.step
        epoch_ends = config.schedule == "plateau" and step % self.task.epoch_steps == 0
        measured = step % config.every == 0 or step == config.steps
        return self._kept is None or len(self._unread) == READ or epoch_ends or measured

    def settle(self) -> bool:
        """Read the remaining losses; return False if the run had diverged and went back."""
        return not self._unread or self._read() is not None

    def _read(self) -> float | None:
        """Read the losses since the last reading and record them.

        Returns
        -------
        float or None
            The last of them; None if one exceeded the limit and the trainer went back.
        """
        values: list[float] = torch.stack(self._unread).tolist()
        within = all(value <= self.training_config.limit for value in values)
        if self._kept is not None and not within:
            # No update may follow a loss that is not within the limit.
            careful, seconds = self.progress.step, self.progress.seconds
            self.load(self._kept)
            self._careful, self.progress.seconds = careful, seconds
            return None
        self._unread = []
        for step, value in enumerate(values, start=self.progress.step - len(values) + 1):
            self.progress.count(step, value, self.training_config, self.task.epoch_steps)
        return values[-1]

    def _schedule(self) -> None:
        """Lower the rate where the schedule says so."""
        training_config, progress = self.training_config, self.progress
        if training_config.schedule == "step":
            passed = sum(progress.step >= share * training_config.steps for share in MILESTONES)
            progress.rate = training_config.rate / DROP**passed
        for group in self.optimiser.param_groups:
            group["lr"] = progress.rate

    def evaluate(self) -> State:
        """Record step, rate, mean loss since the last evaluation, and all measurements."""
        progress = self.progress
        taken = (progress.step - 1) % self.training_config.every + 1 if progress.step else 0
        loss = progress.window / taken if taken and not progress.diverged else None
        progress.window = 0.0
        self.model.eval()
        row: State = {"step": progress.step, "rate": progress.rate, "loss": loss}
        row |= self.task.evaluate(self.forward)
        self.model.train()
        if self.callbacks and not progress.diverged:
            now = self.now()
            row |= {name: look(now) for name, look in self.callbacks.items()}
        return row

    def now(self) -> TrainingState:
        """Input of the metrics: the network before its next step, and the batch of that step."""
        inputs, targets = self.task.batch(self.progress.step)
        return TrainingState(
            model=self.model,
            loss=self.task.loss,
            inputs=inputs,
            targets=targets,
            reference=self.reference,
            evaluate=self.task.evaluate,
            rate=self.progress.rate,
            step=self.progress.step,
        )


def train(
    training_config: TrainingConfig,
    data: Data,
    *,
    root: Path,
    device: str = "cpu",
    until: int | None = None,
    deadline: float = math.inf,
    wait: float = 0.0,
) -> State | None:
    """Carry out a training run, or the rest of it, in its run folder below `root`.

    Parameters
    ----------
    until
        Stop after this many steps; the run can be resumed.
    deadline
        Stop when `time.monotonic` exceeds it; the run can be resumed.
    wait
        Seconds to wait for another process that is working on the run.

    Returns
    -------
    dict or None
        ``"diverged"``: the step at which the loss exceeded the limit, or None; ``"curve"``: the
        evaluations (`Trainer.evaluate`), the first before any step; ``"first losses"``, before
        each of the first updates; ``"seconds"`` spent on it; ``"threads"``, ``"commit"``,
        ``"torch"``, ``"device"`` and ``"machine"`` of the session that finished it.  None if
        `until` or `deadline` stopped it.

    Raises
    ------
    UserError
        If the configuration is invalid, another process is working on the run, or the disk is full.
    KeyboardInterrupt
        After Ctrl-C or SIGTERM; the step is finished and a checkpoint written first.
    """
    run = RunFolder(root, training_config.config(data, device))
    with run.held(wait), torch.random.fork_rng(devices=[]), exactly():
        result = run.result()
        if result is not None:
            return result
        keep_memory()
        torch.manual_seed(training_config.seed)
        trainer = Trainer(training_config, data, device)
        with _stoppable() as wish:
            state = run.restore()
            if state is not None:
                _load(trainer, state, run.folder)
            else:
                run.record(trainer.evaluate())

            def stop() -> bool:
                reached = until is not None and trainer.progress.step >= until
                return bool(wish) or reached or time.monotonic() > deadline

            _steps(run, trainer, stop)
        result = _finish(run, trainer) if trainer.done else None
        if result is None:
            run.save(trainer.progress.step, trainer.state())
        if wish:
            raise KeyboardInterrupt
        return result


def exactly() -> AbstractContextManager[None]:
    """On a GPU: full float32 arithmetic instead of TF32, summed in a fixed order."""
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, deterministic=True, allow_tf32=False
    )
    return flags


def _load(trainer: Trainer, state: State, folder: Path) -> None:
    try:
        trainer.load(state)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{folder}: its checkpoint was written by a different version "
            f"({type(error).__name__}); remove the folder to start again"
        ) from None


def _steps(run: RunFolder, trainer: Trainer, stop: Callable[[], bool]) -> None:
    """Take steps until the run is done or `stop` says so."""
    training_config = trainer.training_config
    saved = time.monotonic()
    bar = tqdm(
        total=training_config.steps,
        initial=trainer.progress.step,
        unit="step",
        leave=False,
        disable=None,
    )
    with bar:
        while not (trainer.done or (stop() and trainer.settle())):
            begun = time.monotonic()
            before, loss = trainer.progress.step, trainer.advance()
            progress = trainer.progress  # a new object if the trainer went back
            if loss is not None:
                bar.set_postfix(loss=f"{loss:.3g}", refresh=False)
            bar.update(progress.step - bar.n)
            ended = progress.step % training_config.every == 0 or trainer.done
            if ended and progress.step > before:
                run.record(trainer.evaluate())
            progress.seconds += time.monotonic() - begun
            if time.monotonic() - saved > EVERY and trainer.settle():
                run.save(trainer.progress.step, trainer.state())
                saved = time.monotonic()


def _finish(run: RunFolder, trainer: Trainer) -> State:
    progress = trainer.progress
    result = {
        "diverged": progress.step if progress.diverged else None,
        "curve": run.records(),
        "first losses": plain(progress.first),
        "seconds": round(progress.seconds, 3),
        "threads": torch.get_num_threads(),
        "commit": commit(),
        **surroundings(trainer.device),
    }
    run.finish(result)
    return result


def _copied(value: Any) -> Any:
    """Copy a state, so that later steps do not change it."""
    if isinstance(value, dict):
        return {name: _copied(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_copied(entry) for entry in value]
    return value.clone() if isinstance(value, Tensor) else value


@contextmanager
def _stoppable() -> Iterator[list[int]]:
    """Collect Ctrl-C and SIGTERM in a list that the loop checks between steps."""
    wish: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        wish.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
