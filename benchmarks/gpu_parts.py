"""The parts of the record of a GPU: what is measured, how long it may take, and what is wanted.

A part is a function of a `Setting`; it returns numbers by name and the goals that they are compared
with.  Estimates are predictions for one H200: no part has run on a GPU yet.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.cost import M, speed
from bnproof.empirical.data.images import CLASSES, Images, Split, stream
from bnproof.empirical.data.load import load
from bnproof.empirical.protocols.vgg import METRICS, MORE
from bnproof.empirical.training.arithmetic import exactly, fastest
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.graphs import recorder
from bnproof.empirical.training.loop import Trainer, train
from bnproof.empirical.training.stack import Stack
from bnproof.theory.claim import Mode

ROOT: Final = Path(__file__).resolve().parent.parent
RESNET: Final = 165 * 390  # updates: 165 epochs of 50,000 images in batches of 128
WANTED: Final = 1e7  # network configurations a second in float64
SEEDS: Final = 16
TESTS: Final = ("tests/simulate", "tests/empirical", "tests/bnproof/scheduler")


@dataclass(frozen=True)
class Setting:
    """Where and how much is measured.

    Attributes
    ----------
    device
        ``"cuda"``, or ``"cpu"`` to try the script.
    smoke
        Tiny sizes: no number means anything.
    data
        Folder with CIFAR-10; None for random images of the same number and size.
    """

    device: str = "cuda"
    smoke: bool = False
    data: Path | None = None

    def mode(self, wanted: Mode) -> Mode:
        """The mode, or the only one that a CPU has."""
        return wanted if self.device == "cuda" else "exact"

    def pick(self, usual: int, smoke: int) -> int:
        """A size."""
        return smoke if self.smoke else usual

    def images(self) -> Images:
        """The images to train on."""
        if self.data is not None:
            return load(self.data)
        draws = stream(0, "pixels")

        def split(count: int) -> Split:
            pixels = torch.randint(256, (count, 3, 32, 32), generator=draws, dtype=torch.uint8)
            return Split(pixels, torch.randint(CLASSES, (count,), generator=draws))

        return Images("random", split(self.pick(50_000, 200)), split(self.pick(10_000, 50)))


@dataclass(frozen=True)
class Goal:
    """A bound on a number."""

    words: str
    value: float
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool:
        """Whether the number is within the bound."""
        below = self.at_most is None or self.value <= self.at_most
        return below and (self.at_least is None or self.value >= self.at_least)


@dataclass(frozen=True)
class Found:
    """What a part measured."""

    numbers: Mapping[str, Any]
    goals: tuple[Goal, ...] = ()


@dataclass(frozen=True)
class Part:
    """A part of the record.

    Attributes
    ----------
    measure
        Measures, given the setting and the seconds left.
    seconds
        Estimated duration.
    words
        What is measured.
    """

    measure: Callable[[Setting, float], Found]
    seconds: float
    words: str


class FailedError(Exception):
    """A part has no result; the message is one line."""


def command(*words: str, left: float, threads: str | None = None) -> str:
    """Run a command in the root of the sources and return its output.

    Raises
    ------
    FailedError
        If it does not end in time.
    """
    environment = os.environ | ({} if threads is None else {"OMP_NUM_THREADS": threads})
    try:
        run = subprocess.run(
            words,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=max(left, 1.0),
        )
    except subprocess.TimeoutExpired:
        raise FailedError(f"{words[0]}: did not end in the time that was left") from None
    return run.stdout


def tests(setting: Setting, left: float) -> Found:
    """Run the tests that name a GPU."""
    words = (sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-k", "cuda or gpu")
    lines = command(*words, *TESTS, left=left, threads="1").strip().splitlines()
    last = lines[-1] if lines else "no output"
    counts = {name: int(count) for count, name in re.findall(r"(\d+) (\w+)", last)}
    broken = counts.get("failed", 0) + counts.get("error", 0) + counts.get("errors", 0)
    if "passed" not in counts:
        raise FailedError(f"pytest: {last}")
    failures = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    goal = Goal("device tests that fail", broken, at_most=0)
    return Found({"summary": last, "failures": failures}, (goal,))


def simulation(setting: Setting, left: float) -> Found:
    """Both sides of Theorems 4.1 and 4.2 for many networks at once."""
    count = setting.pick(400_000, 500)
    each, share = speed(count, setting.device)
    wanted = min(WANTED, each / share / 2)
    return Found(
        {"networks": count, "m": M, "networks a second": each, "share of a copy": share},
        (Goal("network configurations a second, float64", each, at_least=wanted),),
    )


def vgg(setting: Setting, left: float) -> Found:
    """VGG-A at the source's length, with the probes of the experiments."""
    wide, images = setting.pick(64, 2), setting.images()
    config = TrainingConfig(
        network={"family": "vgg", "width": wide},
        steps=setting.pick(15_000, 3),
        batch=setting.pick(128, 16),
        rate=0.1,
        momentum=0.0,
        decay=0.0,
        precision="bfloat16",
        mode=setting.mode("fast"),
        every=setting.pick(500, 3),
        metrics=(*METRICS, *MORE["batch"]),
    )
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        result = train(
            config,
            images,
            root=Path(folder),
            device=setting.device,
            deadline=time.monotonic() + left,
        )
        seconds = time.perf_counter() - begun
    if result is None:
        raise FailedError("VGG: did not end in the time that was left")
    return Found(
        {
            "width": wide,
            "updates": config.steps,
            "mode": config.mode,
            "precision": config.precision,
            "execution": result["execution"],
            "diverged": result["diverged"],
            "seconds": seconds,
        },
        (Goal("seconds for VGG, 15,000 updates with probes", seconds, at_most=120),),
    )


def resnet(setting: Setting, left: float) -> Found:
    """Updates of ResNet-110, eager and from a graph; the time of 165 epochs is extrapolated."""
    images = setting.images()
    config = TrainingConfig(
        network={"family": "resnet", "depth": setting.pick(110, 8)},
        steps=RESNET,
        every=RESNET,
        batch=setting.pick(128, 16),
        rate=0.1,
        augment=True,
        precision="bfloat16",
    )
    numbers: dict[str, Any] = {"precision": config.precision}
    goals = []
    for mode, minutes, count in (("exact", 20, 300), ("fast", 6, 1_000)):
        trainer = Trainer(replace(config, mode=setting.mode(mode)), images, setting.device)
        each, losses = timed(trainer, setting.pick(count, 2))
        whole = each * RESNET / 60
        numbers[mode] = {
            "updates": setting.pick(count, 2),
            "execution": trainer.execution,
            "milliseconds an update": 1e3 * each,
            "first losses": losses,
        }
        words = f"minutes for ResNet-110, 165 epochs, {mode}, extrapolated"
        goals.append(Goal(words, whole, at_most=minutes))
    return Found(numbers, tuple(goals))


def stack(setting: Setting, left: float) -> Found:
    """Narrow VGGs of several seeds at once, and one of them alone."""
    images, seeds = setting.images(), setting.pick(SEEDS, 2)
    config = TrainingConfig(
        network={"family": "vgg", "width": setting.pick(16, 2)},
        steps=10**6,
        every=10**6,
        batch=setting.pick(128, 16),
        rate=0.1,
        momentum=0.0,
        decay=0.0,
        mode=setting.mode("fast"),
    )
    count = setting.pick(1_000, 2)
    one, losses = timed(Trainer(config, images, setting.device), count)
    with exactly(), arithmetic(setting):
        trainers = [
            Trainer(replace(config, seed=seed), images, setting.device) for seed in range(seeds)
        ]
        graphs = recorder(setting.device) if setting.device == "cuda" else None
        joined = Stack(trainers, graphs)
        many = _seconds(lambda: joined.advance(), joined.read, setting.device, count)
    first = trainers[0].progress.first
    return Found(
        {
            "networks": seeds,
            "milliseconds an update of one": 1e3 * one,
            "milliseconds an update of all": 1e3 * many,
            "first losses of one": losses,
            "first losses in the stack": first,
            # Before any update; each update amplifies rounding.
            "relative difference of the first": abs(first[0] / losses[0] - 1),
        },
        (Goal(f"time of {SEEDS} narrow VGGs over that of one", many / one, at_most=4),),
    )


def arithmetic(setting: Setting) -> AbstractContextManager[None]:
    """That of mode ``"fast"`` on a GPU."""
    return fastest() if setting.device == "cuda" else nullcontext()


def timed(trainer: Trainer, count: int) -> tuple[float, list[float]]:
    """Seconds of an update, the mean of many, and the first losses of the run."""
    with exactly():
        each = _seconds(trainer.advance, trainer.settle, trainer.device, count)
    return each, list(trainer.progress.first)


def _seconds(step: Callable[[], Any], settle: Callable[[], Any], device: str, count: int) -> float:
    for _ in range(max(5, count // 10)):  # warm-up, and recording of graphs
        step()
    settle()
    begun = time.perf_counter()
    for _ in range(count):
        step()
    settle()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - begun) / count


def compare(setting: Setting, left: float) -> Found:
    """The comparisons with other packages, which run on the processor of the same machine."""
    script = str(ROOT / "benchmarks" / "compare.py")
    text = command(sys.executable, script, left=left)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    if len(rows) < 3:
        lines = text.strip().splitlines() or ["no output"]
        raise FailedError(f"compare: {lines[-1]}")
    return Found({"table": rows})


PARTS: Final[dict[str, Part]] = {
    "tests": Part(tests, 180, "the tests that name a GPU"),
    "simulation": Part(simulation, 30, "random networks in float64"),
    "vgg": Part(vgg, 150, "VGG-A, 15,000 updates with probes"),
    "resnet": Part(resnet, 60, "ResNet-110, 300 updates eager and 1,000 from a graph"),
    "stack": Part(stack, 60, "sixteen narrow VGGs at once, 1,000 updates"),
    "compare": Part(compare, 600, "comparisons with other packages, on the processor"),
}
