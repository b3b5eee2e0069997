"""Compare the speed of the checked-out tree with that of a commit, in one process.

    python benchmarks/paired.py COMMIT [--bench REGEX]

The current benchmarks of both trees are timed in turn, in CPU seconds, so that a drift of the
machine's speed affects both.  Printed is the median ratio of each benchmark with an interval.  A
benchmark has regressed if the interval is above 1 and the median above 1 + threshold; the dashboard
uses the same threshold, that of `asv.conf.json`.  Exit status 1 if a benchmark has regressed.
"""

import argparse
import gc
import importlib
import inspect
import itertools
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks import record  # noqa: E402

PAIRS = 15
CONFIDENCE = 0.99
SAMPLE = 0.02  # CPU seconds per sample, at least; short functions are called several times
OWN = ("bnproof", "benchmarks")


def threshold(name: str) -> float:
    """Return the relative slowdown under which nothing is called a regression."""
    limits = json.loads(record.CONFIG.read_text())["regressions_thresholds"]
    return max(limit for regex, limit in limits.items() if re.match(regex, name))


@dataclass(frozen=True)
class Change:
    """Ratio of the times of two functions: the median of pairs, and an interval for it.

    The interval is between two order statistics of the ratios, which assumes nothing about their
    distribution.
    """

    ratio: float
    low: float
    high: float

    @classmethod
    def of(cls, ratios: Sequence[float]) -> "Change":
        """Return the median and the smallest interval with at least the level `CONFIDENCE`."""
        ordered = sorted(ratios)
        cut, count = 0, len(ordered)
        outside = 2 * 0.5**count
        while outside + 2 * math.comb(count, cut + 1) * 0.5**count <= 1 - CONFIDENCE:
            cut += 1
            outside += 2 * math.comb(count, cut) * 0.5**count
        return cls(median(ordered), ordered[cut], ordered[-1 - cut])

    def regressed(self, limit: float) -> bool:
        """Whether the second function is slower by more than `limit`, and surely slower."""
        return self.ratio > 1 + limit and self.low > 1


class Tree:
    """The packages of a checkout, imported beside those of others."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._modules: dict[str, ModuleType] = {}

    @contextmanager
    def active(self) -> Iterator[None]:
        """Import from this tree, also in functions that import when they are called."""
        outside, path = _taken(), sys.path.copy()
        environment = os.environ.copy()
        sys.modules.update(self._modules)
        sys.path[:0] = [str(self.root / "src"), str(self.root)]
        os.environ["PYTHONPATH"] = str(self.root / "src")  # for benchmarks that start Python
        try:
            yield
        finally:
            self._modules = _taken()
            sys.modules.update(outside)
            sys.path[:] = path
            os.environ.clear()
            os.environ.update(environment)

    def benchmarks(self, wanted: str) -> "Iterator[Benchmark]":
        """Yield the benchmarks of times whose names match a regular expression."""
        for file in sorted((self.root / "benchmarks").glob("bench_*.py")):
            with self.active():
                module = importlib.import_module(f"benchmarks.{file.stem}")
            for kind in vars(module).values():
                if not inspect.isclass(kind) or kind.__module__ != module.__name__:
                    continue
                for method in (name for name in dir(kind) if name.startswith("time_")):
                    for params in _combinations(kind):
                        benchmark = Benchmark(self, kind, method, params)
                        if re.search(wanted, benchmark.name):
                            yield benchmark

    @cache  # noqa: B019 - trees live as long as the process
    def cached(self, kind: type) -> tuple[Any, ...]:
        """Return what the benchmarks of a class share, as further arguments."""
        with self.active():
            return (kind().setup_cache(),) if hasattr(kind, "setup_cache") else ()


class Benchmark:
    """A method of a class of benchmarks, with parameters, as asv runs it."""

    def __init__(self, tree: Tree, kind: type, method: str, params: tuple[Any, ...]) -> None:
        self._tree = tree
        self._kind = kind
        self._method = method
        self._params = params

    @property
    def name(self) -> str:
        """Name that asv uses."""
        module = self._kind.__module__.removeprefix("benchmarks.")
        words = f"({', '.join(map(repr, self._params))})" if self._params else ""
        return f"{module}.{self._kind.__name__}.{self._method}{words}"

    def sample(self, calls: int) -> float:
        """Return the seconds of so many calls, each after a new set-up."""
        arguments = (*self._tree.cached(self._kind), *self._params)
        spent = 0.0
        with self._tree.active(), _no_collection():
            instance = self._kind()
            timer = getattr(instance, "timer", None) or sys.modules[self._kind.__module__].timer
            for _ in range(calls):
                if hasattr(instance, "setup"):
                    instance.setup(*arguments)
                function = getattr(instance, self._method)
                begin = timer()
                function(*arguments)
                spent += timer() - begin
        return spent


def change(before: Callable[[int], float], after: Callable[[int], float]) -> tuple[Change, float]:
    """Time two functions in turn; return their change and the seconds of a call of the second.

    Parameters
    ----------
    before, after
        Return the seconds of so many calls.
    """
    before(1)  # both are warm now, and share caches of packages outside the trees
    after(1)
    calls = max(1, math.ceil(SAMPLE / max(before(1), 1e-9)))
    ratios, seconds = [], []
    for number in range(PAIRS):
        first, second = (before, after) if number % 2 else (after, before)
        one, two = first(calls), second(calls)
        old, new = (one, two) if number % 2 else (two, one)
        ratios.append(new / old)
        seconds.append(new / calls)
    return Change.of(ratios), median(seconds)


def compare(old: Tree, new: Tree, wanted: str = "") -> list[str]:
    """Print the change of each benchmark that both trees have; return those that regressed."""
    earlier = {benchmark.name: benchmark for benchmark in old.benchmarks(wanted)}
    regressed = []
    print("ratio  99 % interval      seconds  benchmark")
    for benchmark in new.benchmarks(wanted):
        if benchmark.name not in earlier:
            print(f"only in the new tree: {benchmark.name}")
            continue
        found, seconds = change(earlier[benchmark.name].sample, benchmark.sample)
        limit = threshold(benchmark.name)
        slower = found.regressed(limit)
        if slower:
            regressed.append(benchmark.name)
        note = f"  regressed: more than {limit:.0%} slower" if slower else ""
        interval = f"{found.low:.2f} to {found.high:.2f}"
        print(
            f"{found.ratio:5.2f}  {interval:14}  {seconds:10.3g}  {benchmark.name}{note}",
            flush=True,
        )
    return regressed


def main(arguments: list[str]) -> int:
    """Compare with a commit; return 1 if a benchmark has regressed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit", metavar="COMMIT")
    parser.add_argument("--bench", default="", metavar="REGEX")
    options = parser.parse_args(arguments)
    try:
        (commit,) = record.commits_of([options.commit])
    except record.CommitError as error:
        print(f"paired: {error}", file=sys.stderr)
        return 2
    with record.checked_out(commit) as (tree, left_out):
        for name in left_out:
            print(f"{commit[:8]}: {name} cannot be imported and is left out")
        regressed = compare(Tree(tree), Tree(HERE.parent), options.bench)
    return 1 if regressed else 0


def _combinations(kind: type) -> Iterator[tuple[Any, ...]]:
    """Yield the combinations of a class's parameters, which asv lets be one list or several."""
    params = list(getattr(kind, "params", ()))
    if params and not isinstance(params[0], (list, tuple)):
        params = [params]
    return itertools.product(*params)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Do not collect garbage during a measurement."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _taken() -> dict[str, ModuleType]:
    """Remove the modules of a tree from those that are imported, and return them."""
    names = [name for name in sys.modules if name.partition(".")[0] in OWN]
    return {name: sys.modules.pop(name) for name in names}


if __name__ == "__main__":
    # With one thread, as `record.py` measures; libraries read the variables when they are loaded.
    if any(os.environ.get(name) != value for name, value in record.ONE_THREAD.items()):
        os.environ.update(record.ONE_THREAD)
        os.execv(sys.executable, [sys.executable, *sys.argv])
    sys.exit(main(sys.argv[1:]))
