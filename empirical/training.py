"""Train a network: the one loop that every experiment uses.

A run is a function of its recipe, the images and the device.  The order of the images is drawn from
(seed, epoch), the augmentation from (seed, step), so that a run which was killed and resumed takes
the steps that it would have taken.  A loss that is not finite or passes the recipe's limit ends
the run as diverged: a result, no error.
"""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from empirical.images import Images, Split, stream
from empirical.models import build
from empirical.pixels import Pixels
from empirical.recipe import DROP, MILESTONES, PATIENCE, Recipe
from empirical.runs import Run, State
from theory.errors import UserError

# Called as ``watch(model, step)`` before the first step and at every evaluation; what it returns
# is recorded.  It must leave the model as it is.
Watch = Callable[[nn.Module, int], Mapping[str, Any]]

EVERY: Final = 30.0  # seconds between checkpoints
TEST_BATCH: Final = 1_000


@dataclass
class Progress:
    """How far a run is, beside its weights; part of every checkpoint.

    Attributes
    ----------
    step, rate, diverged
        Updates taken, present learning rate, whether the loss passed the limit.
    window, epoch
        Sums of the mini-batch losses since the last evaluation and in the present epoch.
    best, waited
        Lowest mean loss of an epoch, and epochs since.
    seconds
        Time spent on steps, in all parts of the run.
    """

    step: int = 0
    rate: float = 0.0
    diverged: bool = False
    window: float = 0.0
    epoch: float = 0.0
    best: float = float("inf")
    waited: int = 0
    seconds: float = 0.0


class Trainer:
    """One run in the course of its steps.

    Raises
    ------
    UserError
        If the batch is larger than the training set, or the network is not known.
    """

    def __init__(self, recipe: Recipe, images: Images, device: str = "cpu") -> None:
        count = len(images.train)
        if recipe.batch > count:
            raise UserError(
                f"{images.name}: a batch of {recipe.batch} was asked for; choose from 1 to the "
                f"{count} training images there are"
            )
        self.recipe, self.images, self.device = recipe, images, device
        self.progress = Progress(rate=recipe.rate)
        self.model = build(recipe.network, generator=stream(recipe.seed, "network"))
        self.model.to(device=device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.SGD(
            self.model.parameters(),
            lr=recipe.rate,
            momentum=recipe.momentum,
            weight_decay=recipe.decay,
        )
        self.pixels = Pixels(images, device)
        self.epoch_steps = count // recipe.batch
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))

    @property
    def done(self) -> bool:
        """Whether there is no further step to take."""
        return self.progress.diverged or self.progress.step >= self.recipe.steps

    def state(self) -> State:
        """Everything that the steps to come depend on."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "progress": asdict(self.progress),
            "random": torch.get_rng_state(),
        }

    def load(self, state: State) -> None:
        """Go back to a `state`."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.progress = Progress(**state["progress"])
        torch.set_rng_state(state["random"])

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Standardised images (b, 3, 32, 32) and labels (b,) of one step."""
        epoch, place = divmod(step, self.epoch_steps)
        if self._order[0] != epoch:
            draws = stream(self.recipe.seed, f"order {epoch}")
            self._order = (epoch, torch.randperm(len(self.images.train), generator=draws))
        size = self.recipe.batch
        rows = self._order[1][place * size : (place + 1) * size]
        draws = stream(self.recipe.seed, f"augment {step}")
        return self.pixels.train(rows, draws if self.recipe.augment else None)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits, computed in the recipe's precision, as float32."""
        half = self.recipe.precision == "bfloat16"
        with torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16, enabled=half):
            logits: Tensor = self.model(inputs)
        return logits.float()

    def update(self) -> float:
        """Take one step, unless the loss has passed the limit; returns the loss before it."""
        progress = self.progress
        inputs, labels = self.batch(progress.step)
        self.model.train()
        loss = functional.cross_entropy(self.forward(inputs), labels)
        value = loss.item()
        progress.step += 1
        if not value <= self.recipe.limit:
            progress.diverged = True
            return value
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        progress.window += value
        progress.epoch += value
        self._schedule()
        return value

    def _schedule(self) -> None:
        """Lower the rate where the recipe says so."""
        recipe, progress = self.recipe, self.progress
        if progress.step % self.epoch_steps == 0:
            better = progress.epoch < progress.best
            progress.best = min(progress.epoch, progress.best)
            progress.waited = 0 if better else progress.waited + 1
            progress.epoch = 0.0
            if recipe.schedule == "plateau" and progress.waited == PATIENCE:
                progress.rate, progress.waited = progress.rate / DROP, 0
        if recipe.schedule == "step":
            passed = sum(progress.step >= share * recipe.steps for share in MILESTONES)
            progress.rate = recipe.rate / DROP**passed
        for group in self.optimiser.param_groups:
            group["lr"] = progress.rate

    @torch.no_grad()
    def accuracy(self, split: Split, count: int) -> float:
        """Share of the first `count` images of `split` that are classified rightly."""
        self.model.eval()
        count = min(count, len(split))
        right = 0
        for start in range(0, count, TEST_BATCH):
            rows = slice(start, min(start + TEST_BATCH, count))
            predicted = self.forward(self.pixels.plain(split.pixels[rows])).argmax(1).cpu()
            right += int((predicted == split.labels[rows]).sum())
        return right / count

    def evaluate(self) -> State:
        """Step, rate, mean loss since the last evaluation, accuracy on test and training images."""
        progress, tested = self.progress, len(self.images.test)
        taken = (progress.step - 1) % self.recipe.every + 1 if progress.step else 0
        loss = progress.window / taken if taken and not progress.diverged else None
        progress.window = 0.0
        return {
            "step": progress.step,
            "rate": progress.rate,
            "loss": loss,
            "train accuracy": self.accuracy(self.images.train, tested),
            "test accuracy": self.accuracy(self.images.test, tested),
        }


def train(
    recipe: Recipe,
    images: Images,
    *,
    root: Path,
    device: str = "cpu",
    watch: Watch | None = None,
    until: int | None = None,
    wait: float = 0.0,
) -> State | None:
    """Carry out a recipe, or what is left of it, in its run folder below `root`.

    Parameters
    ----------
    until
        Stop, resumable, when this many steps have been taken.
    wait
        Seconds to wait for another process that holds the run.

    Returns
    -------
    dict or None
        ``"diverged"``: the step at which the loss passed the limit, or None; ``"curve"``: the
        evaluations (`Trainer.evaluate` and `watch`), the first before any step; ``"seconds"`` on
        steps.  None if `until` stopped it.

    Raises
    ------
    UserError
        A bad recipe, a folder that another process holds, or a disk that is full.
    KeyboardInterrupt
        After Ctrl-C or SIGTERM: the step is finished and a checkpoint written.
    """
    run = Run(root, recipe.config(images, device))
    with run.held(wait), torch.random.fork_rng(devices=[]):
        result = run.result()
        if result is not None:
            return result
        torch.manual_seed(recipe.seed)
        trainer = Trainer(recipe, images, device)
        state = run.restore()
        if state is not None:
            trainer.load(state)
        else:
            _record(run, trainer, watch)
        with _stoppable() as wish:
            _steps(run, trainer, watch, wish, until)
        if trainer.done:
            return _finish(run, trainer)
        run.save(trainer.progress.step, trainer.state())
        if wish:
            raise KeyboardInterrupt
        return None


def _steps(
    run: Run, trainer: Trainer, watch: Watch | None, wish: list[int], until: int | None
) -> None:
    """Step until done, until a signal was noted in `wish`, or `until`."""
    recipe, progress = trainer.recipe, trainer.progress
    saved = time.monotonic()
    bar = tqdm(total=recipe.steps, initial=progress.step, unit="step", leave=False, disable=None)
    with bar:
        while not (trainer.done or wish or (until is not None and progress.step >= until)):
            begun = time.monotonic()
            bar.set_postfix(loss=f"{trainer.update():.3g}", refresh=False)
            bar.update()
            progress.seconds += time.monotonic() - begun
            if progress.step % recipe.every == 0 or trainer.done:
                _record(run, trainer, watch)
            if time.monotonic() - saved > EVERY:
                run.save(progress.step, trainer.state())
                saved = time.monotonic()


def _record(run: Run, trainer: Trainer, watch: Watch | None) -> None:
    seen = {} if watch is None else watch(trainer.model, trainer.progress.step)
    run.record(trainer.evaluate() | dict(seen))


def _finish(run: Run, trainer: Trainer) -> State:
    progress = trainer.progress
    result = {
        "diverged": progress.step if progress.diverged else None,
        "curve": run.records(),
        "seconds": round(progress.seconds, 3),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    run.finish(result)
    return result


@contextmanager
def _stoppable() -> Iterator[list[int]]:
    """Turn Ctrl-C and SIGTERM into entries of a list, which a loop sees between two steps."""
    wish: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        wish.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
