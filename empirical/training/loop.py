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
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.func import functional_call
from tqdm import tqdm

from bnproof.empirical.data.images import stream
from bnproof.empirical.metrics.step import TrainingState
from bnproof.empirical.networks.fused import fused, library
from bnproof.empirical.networks.table import build
from bnproof.empirical.training.allocation import keep_memory
from bnproof.empirical.training.arithmetic import exactly, fastest
from bnproof.empirical.training.callbacks import callback
from bnproof.empirical.training.config import DROP, MILESTONES, TrainingConfig
from bnproof.empirical.training.graphs import GraphedStep, recorder
from bnproof.empirical.training.progress import Progress
from bnproof.empirical.training.provenance import surroundings
from bnproof.empirical.training.run_folder import RunFolder, State, plain
from bnproof.empirical.training.tasks import Data, task
from bnproof.theory.common.commit import commit
from bnproof.theory.common.errors import UserError
from bnproof.theory.common.interrupts import collected, interruptible

EVERY: Final = 30.0  # seconds between checkpoints
FUSED: Final = "BN and ReLU by loops in C"
READ: Final = 50  # steps on a GPU between two readings of the losses


class Trainer:
    """A run in progress.

    Raises
    ------
    UserError
        If the batch is larger than the training set, the network is not known, or the mode needs
        a C compiler and there is none.
    """

    def __init__(self, training_config: TrainingConfig, data: Data, device: str = "cpu") -> None:
        self.training_config, self.device = training_config, device
        self._unread: list[Tensor] = []  # losses not yet read, on the device
        self._kept: State | None = None  # the state before the first of them
        self._careful = 0  # every loss is read up to this step
        self._graph: GraphedStep | None = None
        self.execution = "eager"  # how the last step was taken, and why not faster
        if training_config.mode == "fast" and not self.on_gpu:
            self.execution = self._on_cpu()
        self.progress = Progress(rate=training_config.first_rate)
        self.task = task(training_config, data, device)
        self.callbacks = {name: callback(name) for name in training_config.metrics}
        self.model = self._network()
        self.model.to(device=device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.SGD(
            self.model.parameters(),
            lr=training_config.first_rate,
            momentum=training_config.momentum,
            weight_decay=training_config.decay,
            fused=True,  # one loop instead of several calls per parameter
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
        self._graph = None  # it refers to the momentum that is replaced now
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.progress = Progress(**state["progress"])
        torch.set_rng_state(state["random"])
        if self.on_gpu:
            torch.cuda.set_rng_state(state["random on device"], self.device)

    def forward(self, inputs: Tensor, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """Logits as float32, computed in the configured precision, perhaps with other weights."""
        half = self.training_config.precision == "bfloat16"
        with torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16, enabled=half):
            logits: Tensor
            if weights:
                logits = functional_call(self.model, dict(weights), (inputs,))
            else:
                logits = self.model(inputs)
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
        with self._arithmetic():
            return self._advance()

    def _arithmetic(self) -> AbstractContextManager[None]:
        """How a step is computed in the mode of the run."""
        if self.training_config.mode == "exact":
            return nullcontext()
        if self.on_gpu:
            return fastest()
        return fused() if self.execution == FUSED else nullcontext()

    def _on_cpu(self) -> str:
        """How steps in mode ``"fast"`` are taken on a CPU."""
        threads = torch.get_num_threads()
        if threads == 1:
            library()
            return FUSED
        execution = f"eager: {threads} threads, and the loops in C use one"
        print(f"mode 'fast': {execution}; set OMP_NUM_THREADS=1", file=sys.stderr)
        return execution

    def _advance(self) -> float | None:
        progress = self.progress
        if self._every_loss:
            self._kept = None
        elif not self._unread:
            self._kept = _copied(self.state())
        graph = self._graphed()
        if graph is None:
            inputs, targets = self.task.batch(progress.step)
            self.model.train()
            loss = self.task.loss(self.forward(inputs), targets)
        else:
            loss = graph.loss(progress.step)
        self._unread.append(loss.detach())
        progress.step += 1
        value = None
        if self._due:
            value = self._read()
            if value is None or progress.diverged:
                return value
        if graph is None:
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
        else:
            graph.update(self.optimiser.param_groups[0]["lr"])
        self.schedule()
        return value

    def _graphed(self) -> GraphedStep | None:
        """The recorded step in mode ``"fast"``, unless it cannot be recorded."""
        wanted = self.on_gpu and self.training_config.mode == "fast"
        if self.execution.startswith("eager:"):
            return None
        if wanted and self._graph is None:
            given = (self.model, self.forward, self.task, self.optimiser)
            half = self.training_config.precision == "bfloat16"
            try:
                self._graph = GraphedStep(
                    *given, recorder(self.device), self.device, self.progress.step, half=half
                )
                self.execution = "CUDA graph"
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                self.execution = f"eager: {str(error).strip().splitlines()[0]}"
                print(f"no CUDA graph: {self.execution}", file=sys.stderr)
        return self._graph

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

    def schedule(self) -> None:
        """Raise the rate after a warm-up, and lower it where the schedule says so."""
        training_config, progress = self.training_config, self.progress
        if progress.step < training_config.warm_up:
            progress.rate = training_config.first_rate
        elif training_config.schedule == "step":
            passed = sum(progress.step >= share * training_config.steps for share in MILESTONES)
            progress.rate = training_config.rate / DROP**passed
        elif progress.step == training_config.warm_up:
            progress.rate = training_config.rate
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
        each of the first updates; ``"seconds"`` spent on it; ``"execution"``, eager or from a
        CUDA graph, ``"threads"``, ``"commit"``, ``"torch"``, ``"device"`` and ``"machine"`` of the
        session that finished it.  None if `until` or `deadline` stopped it.

    Raises
    ------
    UserError
        If the configuration is invalid, another process is working on the run, or the disk is full.
    KeyboardInterrupt
        After Ctrl-C or SIGTERM; the step is finished and a checkpoint written first.  An evaluation
        is abandoned, and made when the run is resumed.
    """
    run = RunFolder(root, training_config.config(data, device))
    with run.held(wait), torch.random.fork_rng(devices=[]), exactly():
        result = run.result()
        if result is not None:
            return result
        keep_memory()
        torch.manual_seed(training_config.seed)
        trainer = Trainer(training_config, data, device)
        with collected() as wish:
            begin(run, trainer, wish)

            def stop() -> bool:
                reached = until is not None and trainer.progress.step >= until
                return bool(wish) or reached or time.monotonic() > deadline

            _steps(run, trainer, stop, wish)
        result = finish(run, trainer) if trainer.done else None
        if result is None:
            run.save(trainer.progress.step, trainer.state())
        if wish:
            raise KeyboardInterrupt
        return result


def begin(run: RunFolder, trainer: Trainer, wish: Sequence[int] = ()) -> None:
    """Restore the newest checkpoint, and make an evaluation that is due and was not made."""
    state = run.restore()
    try:
        if state is not None:
            trainer.load(state)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{run.folder}: its checkpoint was written by a different version "
            f"({type(error).__name__}); remove the folder to start again"
        ) from None
    rows = run.records()
    if _is_due(trainer) and not (rows and rows[-1]["step"] == trainer.progress.step):
        _evaluate(run, trainer, wish)


def _is_due(trainer: Trainer) -> bool:
    """Whether the network is evaluated at the current step."""
    return trainer.progress.step % trainer.training_config.every == 0 or trainer.done


def _evaluate(run: RunFolder, trainer: Trainer, wish: Sequence[int]) -> None:
    """Evaluate and record; if interrupted, write a checkpoint from before the evaluation."""
    before = _copied(trainer.state())
    try:
        with interruptible(wish):
            row = trainer.evaluate()
    except KeyboardInterrupt:
        run.save(trainer.progress.step, before)
        raise
    run.record(row)


def _steps(run: RunFolder, trainer: Trainer, stop: Callable[[], bool], wish: Sequence[int]) -> None:
    """Take steps until the run is done or `stop` says so, or a signal in `wish` ends a look."""
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
            if progress.step > before and _is_due(trainer):
                _evaluate(run, trainer, wish)
            progress.seconds += time.monotonic() - begun
            if time.monotonic() - saved > EVERY and trainer.settle():
                run.save(trainer.progress.step, trainer.state())
                saved = time.monotonic()


def finish(run: RunFolder, trainer: Trainer) -> State:
    """Write the result of a run that is done."""
    progress = trainer.progress
    result = {
        "diverged": progress.step if progress.diverged else None,
        "curve": run.records(),
        "first losses": plain(progress.first),
        "seconds": round(progress.seconds, 3),
        "threads": torch.get_num_threads(),
        "execution": trainer.execution,
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
