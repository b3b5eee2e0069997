"""Run the tests on a fixed sample of mutations of the code and print the share caught.

    python -m benchmarks.mutation [--each N] [--only TEXT] [--fresh] [--list]

A mutation is caught if a test fails that otherwise passes, or exceeds its time limit.  Results are
saved in `build/mutation`, so that an interrupted run can be resumed, and after an edit only the
mutations that it can affect are tested again.  Exit status 1 if less than 95 % of the mutations are
caught, not counting those listed with a reason as equivalent in `equivalent.toml`.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.mutation import changes, processes, reach
from benchmarks.mutation.changes import Change
from benchmarks.mutation.processes import LATE, PASSED, TREE

KEPT = TREE / "build" / "mutation"
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
ENOUGH = 0.95
BUDGET = 60.0  # seconds of tests (as recorded) from the module's own test file, and from others


class First:
    """pytest plugin that records the first failing test."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.path.exists():
            self.path.write_text(report.nodeid)


class Examiner:
    """Tests mutations in this process's copy of the tree."""

    def __init__(self, folder: Path, tests: reach.Tests | None) -> None:
        self.tests = tests
        self.tree = processes.copy_tree(folder / str(os.getpid()))
        self._sound: dict[str, bool] = {}

    def record(self, file: str) -> str:
        return str(reach.record(self.tree, file, KEPT / "reach"))

    def examine(self, change: Change) -> dict[str, Any]:
        """Return the result for a mutation: caught (with the test), alive or doubtful."""
        assert self.tests is not None
        start, file = time.monotonic(), self.tree / change.path
        source = file.read_bytes()
        result, by = "alive", ""
        for tests in filter(None, self.tests.of(change, BUDGET)):
            file.write_bytes(change.apply(source))
            outcome, by = self._run(tests)
            file.write_bytes(source)
            if outcome != PASSED:
                result = "caught" if outcome == LATE or self._passes(by) else "doubtful"
                by = by or outcome
                break
        seconds = round(time.monotonic() - start, 1)
        return {"key": change.key, "result": result, "by": by, "seconds": seconds}

    def _run(self, tests: list[str]) -> tuple[str, str]:
        assert self.tests is not None
        failure = self.tree.with_suffix(".failed")
        failure.unlink(missing_ok=True)
        seconds = sum(map(self.tests.seconds.__getitem__, tests))
        outcome = processes.pytest_in(self.tree, ["-x", *tests], First(failure), seconds)
        return outcome, failure.read_text() if failure.exists() else ""

    def _passes(self, test: str) -> bool:
        """Whether the test that caught a mutation passes without it when run alone."""
        if test not in self.tests.seconds:  # no test ran: a module could not be imported
            return True
        if test not in self._sound:
            self._sound[test] = self._run([test])[0] == PASSED
        return self._sound[test]


examiner: Examiner


def _begin(folder: Path, tests: reach.Tests | None) -> None:
    global examiner
    examiner = Examiner(folder, tests)


def _record(file: str) -> str:
    return examiner.record(file)


def _examine(change: Change) -> dict[str, Any]:
    return examiner.examine(change)


def in_processes(
    jobs: int, work: Callable[[Any], Any], items: list[Any], tests: reach.Tests | None = None
) -> Any:
    """Yield the results of `work` as they become available."""
    with tempfile.TemporaryDirectory(prefix="bnproof-mutation-") as folder:
        arguments = (Path(folder), tests)
        with multiprocessing.get_context("fork").Pool(jobs, _begin, arguments) as pool:
            yield from pool.imap_unordered(work, items)


class State:
    """Saved results, one per line; those that an edit may have affected are ignored."""

    def __init__(self, path: Path) -> None:
        self.path = path
        everything = [TREE / file for file in reach.files_of_tests()]
        self._tests = reach.digest(*everything)
        self.known: dict[str, dict[str, Any]] = {}
        for line in path.read_text().splitlines() if path.exists() else []:
            result = json.loads(line)
            self.known[result["key"]] = result

    def _holds(self, change: Change, by: str) -> list[str]:
        """Return hashes of the module and of the test that caught the mutation, or of all tests."""
        test = TREE / by.partition("::")[0]
        seen = reach.digest(test) if by and test.is_file() else self._tests
        return [reach.digest(TREE / change.path), seen]

    def of(self, change: Change) -> dict[str, Any] | None:
        result = self.known.get(change.key)
        return result if result and result["holds"] == self._holds(change, result["by"]) else None

    def add(self, change: Change, result: dict[str, Any]) -> None:
        self.known[change.key] = result | {"holds": self._holds(change, result["by"])}
        with self.path.open("a") as file:
            file.write(json.dumps(self.known[change.key]) + "\n")


def reasons() -> dict[str, str]:
    """Return why mutations are equivalent, by key."""
    listed = tomllib.loads(EQUIVALENT.read_text())["equivalent"]
    return {entry["change"]: entry["reason"] for entry in listed}


def report(sample: dict[str, list[Change]], state: State) -> float:
    """Print the table and the surviving mutations; return the share caught."""
    equivalent = reasons()
    print(f"\n{'':26}changes  caught  alive  equivalent  share")
    total = [0, 0, 0]
    alive: list[dict[str, Any]] = []
    for name, mutations in sample.items():
        results = [r for r in map(state.of, mutations) if r]
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
    every = {change.key for mutations in sample.values() for change in mutations}
    for key in equivalent.keys() - every:
        print(f"equivalent, but not in the sample: {key}")
    return total[0] / max(total[0] + total[1], 1)


def _row(name: str, counts: list[int]) -> None:
    caught, alive, equivalent = counts
    share = f"{caught / (caught + alive):6.1%}" if caught + alive else ""
    print(f"{name:26}{sum(counts):7}{caught:8}{alive:7}{equivalent:12} {share}")


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--each", type=int, default=20, help="mutations per stratum (default 20)")
    parser.add_argument("--jobs", type=int, default=2, help="number of processes (default 2)")
    parser.add_argument("--only", default="", help="only mutations whose key contains TEXT")
    parser.add_argument("--fresh", action="store_true", help="discard saved results")
    parser.add_argument("--list", action="store_true", help="print the sample, run nothing")
    return parser.parse_args()


def main() -> int:
    """Run the program; return 0 if enough mutations are caught."""
    options = parse()
    sample = changes.sample(TREE, options.each)
    sample = {name: [c for c in of if options.only in c.key] for name, of in sample.items()}
    if options.list:
        print(*(c.key for mutations in sample.values() for c in mutations), sep="\n")
        return 0
    KEPT.mkdir(parents=True, exist_ok=True)
    if options.fresh:
        (KEPT / "state.jsonl").unlink(missing_ok=True)
    processes.preload()
    files = reach.files_of_tests()
    records = [Path(path) for path in in_processes(options.jobs, _record, files)]
    tests = reach.Tests([path for path in records if path.exists()])
    for test in tests.failed:
        print(f"fails without any change: {test}")
    state = State(KEPT / "state.jsonl")
    todo = [c for mutations in sample.values() for c in mutations if not state.of(c)]
    by_key = {change.key: change for change in todo}
    for n, result in enumerate(in_processes(options.jobs, _examine, todo, tests), 1):
        state.add(by_key[result["key"]], result)
        print(f"{n}/{len(todo)} {result['result']} in {result['seconds']:g} s: {result['key']}")
        sys.stdout.flush()
    share = report(sample, state)
    print(f"{share:.1%} of the non-equivalent mutations are caught")
    return 0 if share >= ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
