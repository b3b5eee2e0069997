"""Record which tests reach which functions, once per test file."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest

from benchmarks.mutation import changes
from benchmarks.mutation.processes import TREE, pytest_in

OURS = ("theory", "simulate", "empirical", "src")
MAX_SECONDS = 1500  # for the tests of one file
# Tests that measure machines, kill processes or build pages.
LEFT_OUT = (
    *("tests/benchmarks/", "tests/hardening/"),
    *("tests/test_documentation.py", "tests/test_code_blocks.py"),
)


def digest(*files: Path) -> str:
    """Return a hash of the contents of `files`."""
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]


def files_of_tests(tree: Path = TREE) -> list[str]:
    """Return all test files, relative to the tree."""
    paths = sorted(path.relative_to(tree).as_posix() for path in tree.glob("tests/**/test_*.py"))
    return [path for path in paths if not path.startswith(LEFT_OUT)]


class Recorder:
    """pytest plugin that records the coverage and time of each test in `path`."""

    def __init__(self, tree: Path, path: Path) -> None:
        self.tree, self.path = tree, path
        self.seconds: dict[str, float] = {}
        self.unfit: set[str] = set()
        self.failed: set[str] = set()
        include = [f"{tree}/{top}/**/*.py" for top in OURS]  # excludes templates
        self.coverage = coverage.Coverage(data_file=None, config_file=False, include=include)

    def pytest_sessionstart(self) -> None:
        self.coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.coverage.switch_context(item.nodeid)
        before = sum(os.times()[:4])
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = round(sum(os.times()[:4]) - before, 3)
            self.coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)
        if report.failed or report.skipped:
            self.unfit.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self.coverage.stop()
        data = self.coverage.get_data()
        number = {test: i for i, test in enumerate(self.seconds)}
        reach: dict[str, dict[str, set[int]]] = {}
        for file in data.measured_files():
            path = Path(file).relative_to(self.tree.resolve()).as_posix()
            names = changes.functions(Path(file).read_bytes())
            for line, contexts in data.contexts_by_lineno(file).items():
                of = reach.setdefault(path, {}).setdefault(names.get(line, ""), set())
                of.update(number[test] for test in contexts if test)
        content = {
            "tests": [[test, s] for test, s in self.seconds.items() if test not in self.unfit],
            "failed": sorted(self.failed),
            "reach": {path: {f: sorted(t) for f, t in of.items()} for path, of in reach.items()},
            "names": list(self.seconds),
        }
        self.path.write_text(json.dumps(content))


def record(tree: Path, file: str, folder: Path) -> Path:
    """Return the path of the record of a test file, creating it unless it is up to date."""
    conftests = [TREE / "tests/conftest.py", *(TREE / file).parent.glob("[!t]*.py")]
    name = f"{re.sub('[/.]', '-', file)}-{digest(TREE / file, *conftests)}.json"
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        pytest_in(tree, [file], Recorder(tree, part), MAX_SECONDS)
        if part.exists():
            part.rename(path)
    return path


class Tests:
    """All records combined."""

    def __init__(self, records: list[Path]) -> None:
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []
        self._reach: dict[str, dict[str, set[str]]] = {}
        self._of_file: dict[str, list[str]] = {}
        for path in records:
            content: dict[str, Any] = json.loads(path.read_text())
            good = dict(content["tests"])
            self.seconds |= good
            self.failed += content["failed"]
            for test in good:
                self._of_file.setdefault(test.partition("::")[0], []).append(test)
            for module, functions in content["reach"].items():
                for function, numbers in functions.items():
                    tests = {content["names"][n] for n in numbers} & good.keys()
                    self._reach.setdefault(module, {}).setdefault(function, set()).update(tests)

    def of(self, change: changes.Change, budget: float) -> tuple[list[str], list[str]]:
        """Return tests that may catch a mutation, from the module's own test file and from others.

        Tests that were seen to reach the function come first, then other tests of the same files,
        which may have used cached results; the fastest are first.  Each list takes at most
        `budget` seconds.
        """
        functions = self._reach.get(change.path, {})
        direct = functions.get(change.function)
        if direct is None:  # outside of functions: all tests that use the module
            direct = set().union(*functions.values())
        mirror = Path("tests", change.path.removeprefix("src/"))
        own = mirror.with_name(f"test_{mirror.name}").as_posix()
        near = f"{mirror.parent.as_posix()}/"
        mine = sorted(self._of_file.get(own, []), key=lambda t: (t not in direct, self.seconds[t]))
        files = sorted({test.partition("::")[0] for test in direct} - {own})
        others = [test for file in files for test in self._of_file[file]]
        others.sort(key=lambda t: (t not in direct, not t.startswith(near), self.seconds[t]))
        return self._cut(mine, budget), self._cut(others, budget)

    def _cut(self, tests: list[str], budget: float) -> list[str]:
        chosen: list[str] = []
        for test in tests:
            if self.seconds[test] <= budget:
                chosen.append(test)
                budget -= self.seconds[test]
        return chosen
