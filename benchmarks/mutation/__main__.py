"""Run the tests on a fixed sample of single changes to the code and print the share caught.

    python -m benchmarks.mutation [--each N] [--only TEXT] [--fresh] [--list]

A change is caught if a test fails that passes without it, or takes far too long.  What was found
stays in `build/mutation`: an interrupted run resumes, and after an edit only those changes
are tried again that it can concern.  Exit status 1 if less than 95 % of the changes are caught that
are not listed, with the reason, as equivalent in `equivalent.toml`.
"""

import argparse
import json
import math
import multiprocessing
import multiprocessing.pool
import os
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.mutation import changes, processes, selection
from benchmarks.mutation.changes import Change
from benchmarks.mutation.processes import PASSED, TREE
from benchmarks.mutation.selection import Selection

KEPT = TREE / "build" / "mutation"
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
ENOUGH = 0.95
# Seconds of tests for a change in the files tried first, and in others: of all changes, and then of
# those that are still alive.
PASSES = ((3.0, 0.0), (12.0, 0.0), (40.0, 15.0))


class Examiner:
    """Tries changes in one copy of the tree, that of this process."""

    def __init__(self, folder: Path) -> None:
        self.tree = processes.copy_tree(folder / str(os.getpid()))
        self.selection = Selection(self.tree)

    def examine(self, change: Change, depth: int) -> dict[str, Any]:
        """The result for `change` with the budgets of a pass: caught (by which test) or alive."""
        start = time.monotonic()
        source = (self.tree / change.path).read_bytes()
        names = [*selection.words(source, change), *self.selection.claims(change.path)]
        by = ""
        for files, budget in zip(self.selection.of(change.path), PASSES[depth], strict=True):
            if not files or not budget:
                continue
            outcome, failed = self._changed(change, source, ["-x", *files], names, budget)
            by = "" if outcome == PASSED else failed[0] if failed else outcome
            if by and selection.mirror(change.path) != file_of(by):
                # Far tests start processes and measure time: it must fail again, by itself.
                by = by if self._changed(change, source, [by], [], math.inf)[0] != PASSED else ""
            if by:
                break
        took = round(time.monotonic() - start, 1)
        result = "caught" if by else "alive"
        return {"key": change.key, "result": result, "by": by, "seconds": took, "depth": depth}

    def _changed(
        self, change: Change, source: bytes, arguments: list[str], names: list[str], most: float
    ) -> tuple[str, list[str]]:
        file = self.tree / change.path
        file.write_bytes(change.apply(source))
        found = self._run(arguments, names, most)
        file.write_bytes(source)
        return found

    def failing(self, tests: list[str]) -> dict[str, bool]:
        """Which of `tests`, all of one file, fail without any change."""
        # The name of a file stands for a change that kept the file from loading.
        loads_only = all("::" not in test for test in tests)
        outcome, failed = self._run(tests, [], 0.0 if loads_only else math.inf)
        broken = outcome != PASSED and not failed
        return {test: broken or test in failed or failed[:1] == [file_of(test)] for test in tests}

    def _run(self, arguments: list[str], names: list[str], most: float) -> tuple[str, list[str]]:
        path = self.tree.with_suffix(".failed")
        path.unlink(missing_ok=True)
        seconds = min(most, 4 * PASSES[-1][0])
        plugin = selection.Order(path, KEPT / "seconds.txt", names, most)
        outcome = processes.pytest_in(self.tree, arguments, plugin, seconds)
        return outcome, path.read_text().splitlines() if path.exists() else []


def file_of(test: str) -> str:
    """The file of a test."""
    return test.partition("::")[0]


examiner: Examiner


def _begin(folder: Path) -> None:
    global examiner
    examiner = Examiner(folder)


def _examine(change: Change, depth: int) -> dict[str, Any]:
    return examiner.examine(change, depth)


def _failing(tests: list[str]) -> dict[str, bool]:
    return examiner.failing(tests)


@contextmanager
def pool(jobs: int) -> Iterator[multiprocessing.pool.Pool]:
    """Processes, each with its own copy of the tree."""
    forked = multiprocessing.get_context("fork")
    with (
        tempfile.TemporaryDirectory(prefix="bnproof-mutation-") as folder,
        forked.Pool(jobs, _begin, (Path(folder),)) as made,
    ):
        yield made


class State:
    """The results so far, one a line; those that an edit may concern do not count."""

    def __init__(self, path: Path) -> None:
        self.path = path
        everything = [TREE / file for file in selection.files_of_tests()]
        self._tests = selection.digest(*everything)
        self._equivalent = reasons()
        self.known: dict[str, dict[str, Any]] = {}
        for line in path.read_text().splitlines() if path.exists() else []:
            found = json.loads(line)
            self.known[found["key"]] = found

    def _holds(self, change: Change, by: str) -> list[str]:
        """Hashes of what a result depends on: the module, and the test that caught it or all."""
        test = TREE / file_of(by)
        seen = selection.digest(test) if by and test.is_file() else self._tests
        return [selection.digest(TREE / change.path), seen]

    def of(self, change: Change) -> dict[str, Any] | None:
        found = self.known.get(change.key)
        return found if found and found["holds"] == self._holds(change, found["by"]) else None

    def untried(self, change: Change, depth: int) -> bool:
        """Whether a pass has to try `change`: it is not caught, nor was it alive in this pass.

        What is listed as equivalent is tried in the first pass alone.
        """
        found, last = self.of(change), 0 if change.key in self._equivalent else depth
        return found is None or (found["result"] == "alive" and found["depth"] < last)

    def left(self, change: Change) -> bool:
        """Whether anything is to be done for `change`."""
        return self.untried(change, len(PASSES) - 1) or self.unsure(change)

    def unsure(self, change: Change) -> bool:
        """Whether `change` was caught by a test that has not been run without it."""
        found = self.of(change) or {"result": "alive"}
        named = (TREE / file_of(found.get("by", ""))).is_file()
        return found["result"] == "caught" and named and not found.get("sure")

    def add(self, change: Change, found: dict[str, Any]) -> None:
        self.known[change.key] = found | {"holds": self._holds(change, found["by"])}
        with self.path.open("a") as file:
            file.write(json.dumps(self.known[change.key]) + "\n")


def make_sure(workers: multiprocessing.pool.Pool, made: list[Change], state: State) -> None:
    """Run the tests that caught a change without it: a failure then is no evidence."""
    caught: dict[str, list[Change]] = {}
    for change in filter(state.unsure, made):
        caught.setdefault(state.known[change.key]["by"], []).append(change)
    tests: dict[tuple[str, bool], list[str]] = {}
    for test in caught:
        tests.setdefault((file_of(test), "::" in test), []).append(test)
    for failing in workers.imap_unordered(_failing, tests.values()):
        for test, fails in failing.items():
            if fails:
                print(f"fails without any change: {test}")
            for change in caught[test]:
                result = "doubtful" if fails else "caught"
                state.add(change, state.known[change.key] | {"result": result, "sure": True})


def reasons() -> dict[str, str]:
    """Why changes are equivalent, by key."""
    listed = tomllib.loads(EQUIVALENT.read_text())["equivalent"]
    return {entry["change"]: entry["reason"] for entry in listed}


def report(sample: dict[str, list[Change]], state: State) -> float:
    """Print the table and the survivors; return the share that is caught."""
    equivalent = reasons()
    print(f"\n{'':26}changes  caught  alive  equivalent  share")
    total = [0, 0, 0]
    alive: list[dict[str, Any]] = []
    for name, found in sample.items():
        results = [r for r in map(state.of, found) if r]
        caught = sum(r["result"] == "caught" for r in results)
        left = [r for r in results if r["result"] != "caught" and r["key"] not in equivalent]
        counts = [caught, len(left), len(results) - caught - len(left)]
        _row(name, counts)
        total = [a + b for a, b in zip(total, counts, strict=True)]
        alive += left
        for result in results:
            if result["result"] == "caught" and result["key"] in equivalent:
                print(f"  not equivalent: {result['key']} ({result['by']})")
    _row("all", total)
    for result in alive:
        print(f"{result['result']}: {result['key']}" + f" ({result['by']})" * bool(result["by"]))
    every = {change.key for found in sample.values() for change in found}
    for key in equivalent.keys() - every:
        print(f"equivalent, but not in the sample: {key}")
    return total[0] / max(total[0] + total[1], 1)


def _row(name: str, counts: list[int]) -> None:
    caught, alive, equivalent = counts
    share = f"{caught / (caught + alive):6.1%}" if caught + alive else ""
    print(f"{name:26}{sum(counts):7}{caught:8}{alive:7}{equivalent:12} {share}")


def parse() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--each", type=int, default=20, help="changes of a stratum (20)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--only", default="", help="only changes whose name holds this text")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs found")
    parser.add_argument("--list", action="store_true", help="print the sample, run nothing")
    return parser.parse_args()


def main() -> int:
    """Exit status: 0 if enough is caught."""
    options = parse()
    sample = changes.sample(TREE, options.each)
    sample = {name: [c for c in of if options.only in c.key] for name, of in sample.items()}
    if options.list:
        print(*(c.key for found in sample.values() for c in found), sep="\n")
        return 0
    KEPT.mkdir(parents=True, exist_ok=True)
    if options.fresh:
        (KEPT / "state.jsonl").unlink(missing_ok=True)
    state = State(KEPT / "state.jsonl")
    by_key = {change.key: change for found in sample.values() for change in found}
    if any(map(state.left, by_key.values())):
        processes.preload()
        with pool(options.jobs) as workers:
            for depth in range(len(PASSES)):
                todo = [change for change in by_key.values() if state.untried(change, depth)]
                work = partial(_examine, depth=depth)
                for n, found in enumerate(workers.imap_unordered(work, todo), 1):
                    state.add(by_key[found["key"]], found)
                    took = f"{found['result']} in {found['seconds']:g} s"
                    print(f"{n}/{len(todo)} {took}: {found['key']}", flush=True)
                make_sure(workers, [*by_key.values()], state)
    share = report(sample, state)
    print(f"{share:.1%} of the changes that are not equivalent are caught")
    return 0 if share >= ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
