"""Run the tests on a fixed sample of single changes to the code and print the share caught.

    python -m benchmarks.mutation [--each N] [--only TEXT] [--fresh] [--list]

A change is caught if a test fails that passes without it, or takes far too long.  What was found
stays in `build/mutation`: a run that was broken off goes on, and after an edit only those changes
are tried again that it can concern.  Exit status 1 if less than 95 % of the changes are caught that
are not listed, with the reason, as equivalent in `equivalent.toml`.
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
BUDGET = 60.0  # seconds of tests, as recorded, in the module's own file; and as many in others


class First:
    """Plugin of pytest: writes down the first test that fails."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.path.exists():
            self.path.write_text(report.nodeid)


class Examiner:
    """Tries changes in one copy of the tree, that of this process."""

    def __init__(self, folder: Path, tests: reach.Tests | None) -> None:
        self.tests = tests
        self.tree = processes.copy_tree(folder / str(os.getpid()))
        self._sound: dict[str, bool] = {}

    def record(self, file: str) -> str:
        return str(reach.record(self.tree, file, KEPT / "reach"))

    def examine(self, change: Change) -> dict[str, Any]:
        """The result for `change`: caught (by which test), alive or doubtful."""
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
        took = round(time.monotonic() - start, 1)
        return {"key": change.key, "result": result, "by": by, "seconds": took}

    def _run(self, tests: list[str]) -> tuple[str, str]:
        assert self.tests is not None
        named = self.tree.with_suffix(".failed")
        named.unlink(missing_ok=True)
        seconds = sum(map(self.tests.seconds.__getitem__, tests))
        outcome = processes.pytest_in(self.tree, ["-x", *tests], First(named), seconds)
        return outcome, named.read_text() if named.exists() else ""

    def _passes(self, test: str) -> bool:
        """Whether the test that caught a change passes, alone, without it."""
        if test not in self.tests.seconds:  # none ran: the change kept a module from loading
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
    """The results of `work`, as they come."""
    with tempfile.TemporaryDirectory(prefix="bnproof-mutation-") as folder:
        beginning = (Path(folder), tests)
        with multiprocessing.get_context("fork").Pool(jobs, _begin, beginning) as pool:
            yield from pool.imap_unordered(work, items)


class State:
    """The results so far, one a line; those that an edit may concern do not count."""

    def __init__(self, path: Path) -> None:
        self.path = path
        everything = [TREE / file for file in reach.files_of_tests()]
        self._tests = reach.digest(*everything)
        self.known: dict[str, dict[str, Any]] = {}
        for line in path.read_text().splitlines() if path.exists() else []:
            found = json.loads(line)
            self.known[found["key"]] = found

    def _holds(self, change: Change, by: str) -> list[str]:
        """Hashes of what a result depends on: the module, and the test that caught it or all."""
        test = TREE / by.partition("::")[0]
        seen = reach.digest(test) if by and test.is_file() else self._tests
        return [reach.digest(TREE / change.path), seen]

    def of(self, change: Change) -> dict[str, Any] | None:
        found = self.known.get(change.key)
        return found if found and found["holds"] == self._holds(change, found["by"]) else None

    def add(self, change: Change, found: dict[str, Any]) -> None:
        self.known[change.key] = found | {"holds": self._holds(change, found["by"])}
        with self.path.open("a") as file:
            file.write(json.dumps(self.known[change.key]) + "\n")


def reasons() -> dict[str, str]:
    """Why changes are equivalent, by key."""
    listed = tomllib.loads(EQUIVALENT.read_text())["equivalent"]
    return {entry["change"]: entry["reason"] for entry in listed}


def report(sample: dict[str, list[Change]], state: State) -> float:
    """Print the table and what is alive; returns the share that is caught."""
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
    processes.preload()
    files = reach.files_of_tests()
    records = [Path(path) for path in in_processes(options.jobs, _record, files)]
    tests = reach.Tests([path for path in records if path.exists()])
    for test in tests.failed:
        print(f"fails without any change: {test}")
    state = State(KEPT / "state.jsonl")
    todo = [c for found in sample.values() for c in found if not state.of(c)]
    by_key = {change.key: change for change in todo}
    for n, found in enumerate(in_processes(options.jobs, _examine, todo, tests), 1):
        state.add(by_key[found["key"]], found)
        print(f"{n}/{len(todo)} {found['result']} in {found['seconds']:g} s: {found['key']}")
        sys.stdout.flush()
    share = report(sample, state)
    print(f"{share:.1%} of the changes that are not equivalent are caught")
    return 0 if share >= ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
