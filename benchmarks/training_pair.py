"""Compare the speed of training on a CPU with that at another commit.

    python benchmarks/training_pair.py COMMIT [--case resnet:float32 ...] [--mode fast]

The trainers of both trees take updates in turn, in CPU seconds and with one thread, each tree in a
process of its own: how the C library keeps memory is a property of a process.  Printed is how many
times as fast the checked-out tree trains: the median of the pairs, with an interval.  Compilation
and the first updates of a process are not part of the times, but printed.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from time import process_time
from typing import Any, Final

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks import record  # noqa: E402
from benchmarks.paired import change  # noqa: E402

NETWORKS: Final[dict[str, dict[str, Any]]] = {
    "resnet": {"family": "resnet", "depth": 20},
    "vgg": {"family": "vgg", "width": 16},
}
PRECISIONS: Final = ("float32", "bfloat16")
CASES: Final = tuple(f"{network}:{kind}" for network in NETWORKS for kind in PRECISIONS)
BEFORE: Final = "empirical"  # a package that was installed by itself
BATCH: Final = 128
UPDATES: Final = 2  # in each sample
WARM_UP: Final = 3  # updates before the first sample


class Worker:
    """A process that trains with the code of one tree.

    Attributes
    ----------
    begun
        CPU seconds of its first updates.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.begun = self._answer()

    def seconds(self, calls: int) -> float:
        """Take `UPDATES` updates so often; return their CPU seconds."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{calls * UPDATES}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> float:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError
        return float(line)


class WorkerError(Exception):
    """A process has ended early; its own message has been printed."""


@contextmanager
def worker(tree: Path, case: str, mode: str) -> Iterator[Worker]:
    """Start a process that trains, and end it."""
    command = [sys.executable, __file__, "--serve", str(tree), case, mode]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | record.ONE_THREAD,
    )
    with process:  # which closes its input at the end
        yield Worker(process)


def serve(tree: Path, case: str, mode: str) -> None:
    """Train with the code of a tree: as many updates as each line of the input says."""
    # Without the tree of this file, which would stand in for what the other one lacks.
    sys.path[:] = [str(tree / "src"), str(tree), *sys.path[1:]]
    trainer = _trainer(tree, case, mode)

    def seconds(updates: int) -> float:
        begin = process_time()
        for _ in range(updates):
            trainer.update()
        return process_time() - begin

    print(seconds(WARM_UP), flush=True)
    for line in sys.stdin:
        print(seconds(int(line)), flush=True)


def _trainer(tree: Path, case: str, mode: str) -> Any:
    """A trainer with the code of a tree, in a process set up as its own commands do."""
    if (tree / "src" / "bnproof").is_dir():
        with suppress(ImportError):  # commits before these settings
            # Set before PyTorch is imported.
            import_module("bnproof.scheduler.resources").use_large_pages()
            import_module("bnproof.empirical.training.allocation").keep_memory()
        load = import_module("bnproof.empirical.data.load").load
        config = import_module("bnproof.empirical.training.config").TrainingConfig
        trainer = import_module("bnproof.empirical.training.loop").Trainer
    else:  # commits before the package
        load, config, trainer = (
            getattr(import_module(f"{BEFORE}.{module}"), name)
            for module, name in (("data", "load"), ("recipe", "Recipe"), ("training", "Trainer"))
        )
    name, _, precision = case.partition(":")
    options: dict[str, Any] = {"network": NETWORKS[name], "steps": 10**6, "rate": 0.1}
    options |= {"batch": BATCH, "augment": True, "precision": precision}
    if mode != "exact":
        options["mode"] = mode
    return trainer(config(**options), load("photos"))


def compare(old: Path, new: Path, cases: Sequence[str], mode: str) -> None:
    """Print how many times as fast the new tree trains; `mode` is that of the new one."""
    print(
        "times as fast  99 % interval  ms per update: before, now; first updates  case", flush=True
    )
    for case in cases:
        with worker(old, case, "exact") as before, worker(new, case, mode) as now:
            found, _ = change(before.seconds, now.seconds)
            each = [1e3 * one.seconds(1) / UPDATES for one in (before, now)]
        interval = f"{1 / found.high:.2f} to {1 / found.low:.2f}"
        print(
            f"{1 / found.ratio:13.2f}  {interval:13}  {each[0]:8.0f} {each[1]:8.0f}"
            f"  {now.begun:12.1f} s  {case}",
            flush=True,
        )


def main(arguments: list[str]) -> int:
    """Compare with a commit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit", metavar="COMMIT")
    parser.add_argument("--case", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--mode", choices=("exact", "fast"), default="exact")
    options = parser.parse_args(arguments)
    try:
        (commit,) = record.hashes([options.commit])
    except record.CommitError as error:
        print(f"training_pair: {error}", file=sys.stderr)
        return 2
    with record.worktree(commit) as tree, suppress(WorkerError):
        compare(tree, HERE.parent, options.case, options.mode)
        return 0
    return 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]), *sys.argv[3:])
    else:
        sys.exit(main(sys.argv[1:]))
