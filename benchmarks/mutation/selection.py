"""Which tests may notice a change, in the order in which they are tried.

The source text decides: which files of tests import the module, at how many removes, and which
tests name the changed function or one that uses it.  So nothing has to be run beforehand.
"""

import ast
import hashlib
import inspect
import os
import re
import resource
from collections import deque
from collections.abc import Iterable
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest

from benchmarks.mutation.changes import CATALOGUE, Change, Function
from benchmarks.mutation.processes import TREE

OURS = ("theory", "simulate", "empirical", "src/bnproof")
LOADER = "theory/loading.py"  # imports the catalogue by the names of its files
FIRST = 4  # files of tests that are tried first if no file mirrors the module
OTHERS = 8  # and how many others are tried after
USUAL = 0.5  # seconds for a test of which nothing is known
CLAIMS = 10  # of those that a module is for
LONGEST = 60  # seconds of processor time for one test: a test that is not slow takes about ten
# What measures machines, kills processes or draws pages has no place here.
LEFT_OUT = (
    *("tests/benchmarks/", "tests/hardening/"),
    *("tests/test_documentation.py", "tests/test_code_blocks.py"),
)


def digest(*files: Path) -> str:
    """One hash of the contents of `files`."""
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]


def files_of_tests(tree: Path = TREE) -> list[str]:
    """Every file of tests, relative to the tree."""
    found = sorted(path.relative_to(tree).as_posix() for path in tree.glob("tests/**/test_*.py"))
    return [path for path in found if not path.startswith(LEFT_OUT)]


def mirror(path: str) -> str:
    """The file of tests that mirrors the module at `path`, whether or not it exists."""
    file = Path("tests", path.removeprefix("src/"))
    return file.with_name(f"test_{file.name}").as_posix()


class Selection:
    """The files of tests of a tree, and how far each is from a module."""

    def __init__(self, tree: Path) -> None:
        modules = [
            file.relative_to(tree).as_posix()
            for top in OURS
            for file in (tree / top).rglob("*.py")  # rglob follows no links to folders
        ]
        names = {_dotted(path): path for path in modules}
        self._tests = files_of_tests(tree)
        self._text = {path: _text(tree / path) for path in self._tests}
        self._users: dict[str, set[str]] = {path: set() for path in modules}
        for path in (*modules, *self._tests):
            for name in _imports((tree / path).read_text(encoding="utf-8")):
                if name in names and names[name] != path:
                    self._users[names[name]].add(path)
        for path in modules:
            if path.startswith(CATALOGUE):
                self._users[path].add(LOADER)

    def of(self, path: str) -> tuple[list[str], list[str]]:
        """The files of tests to try first for a change to the module at `path`, and those after."""
        steps = self._steps(path)
        own = mirror(path)
        folder = Path(own).parent.parts
        named = re.compile(rf"\b{Path(path).stem}\b")
        by_name = path.startswith(CATALOGUE) or not self._users[path]  # what no module imports

        def far(test: str) -> tuple[bool, bool, int, int]:
            pairs = zip(folder, Path(test).parent.parts, strict=False)
            shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            says = by_name and named.search(self._text[test])
            return (test != own, not says, steps.get(test, 99) - 2 * shared, len(self._text[test]))

        near = [test for test in self._tests if test in steps or far(test)[:2] != (True, True)]
        near.sort(key=far)
        first = 1 if near[:1] == [own] else FIRST
        return near[:first], near[first : first + OTHERS]

    def claims(self, path: str) -> list[str]:
        """The claims and experiments that the module at `path` is for, the nearest first.

        Tests of all claims have their names.
        """
        steps = self._steps(path)
        users = [user for user in steps if user.startswith(CATALOGUE)]
        return [Path(user).stem for user in sorted(users, key=steps.__getitem__)[:CLAIMS]]

    def _steps(self, path: str) -> dict[str, int]:
        """By how many imports each module and file of tests is away from the module at `path`."""
        found, queue = {path: 0}, deque([path])
        while queue:
            for user in sorted(self._users.get(at := queue.popleft(), ())):
                if user not in found:
                    found[user] = found[at] + 1
                    queue.append(user)
        return found


def _dotted(path: str) -> str:
    """The name under which the module at `path` is imported."""
    parts = Path(path.removeprefix("src/")).with_suffix("").parts
    parts = parts if parts[0] == "bnproof" else ("bnproof", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _text(file: Path) -> str:
    """What a file of tests says, and the data beside it that it names."""
    text = file.read_text(encoding="utf-8")
    beside = (data for data in file.parent.glob("*.toml") if data.name in text)
    return "\n".join([text, *(data.read_text(encoding="utf-8") for data in beside)])


def _imports(source: str) -> Iterable[str]:
    """Every dotted name that the source imports, or gives as a text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def words(source: bytes, change: Change) -> list[str]:
    """Names by which tests reach a change: its function first, then what uses it in the module."""
    uses: dict[str, set[str]] = {}
    for unit in ast.parse(source).body:
        for name in _defined(unit):
            inner = ast.walk(unit)
            uses[name] = {getattr(n, "id", getattr(n, "attr", "")) for n in inner} - {name, ""}
    start = change.function.split(".") if change.function else _assigned(source, change)
    found = [name for name in reversed(start) if not name.startswith("__")]
    for name in found:  # grows while it is walked
        found += [user for user, used in uses.items() if name in used and user not in found]
    return found


def _defined(unit: ast.stmt) -> list[str]:
    if isinstance(unit, Function | ast.ClassDef):
        return [unit.name]
    if isinstance(unit, ast.Assign | ast.AnnAssign):
        targets = unit.targets if isinstance(unit, ast.Assign) else [unit.target]
        return [node.id for t in targets for node in ast.walk(t) if isinstance(node, ast.Name)]
    return []


def _assigned(source: bytes, change: Change) -> list[str]:
    line = source[: change.start].count(b"\n") + 1
    for unit in ast.parse(source).body:
        if unit.lineno <= line <= (unit.end_lineno or unit.lineno):
            return _defined(unit)
    return []


class Order:
    """Plugin of pytest: likely tests first, none once `most` seconds are used; names failures.

    The ids of tests that fail are written to `failed`, one a line; how long each took, to `took`.
    Of tests that are equally likely the quickest comes first, as far as that is known.
    """

    def __init__(self, failed: Path, took: Path, names: list[str], most: float) -> None:
        self.failed, self.took, self.most = failed, took, most
        self._seconds = self._known()
        self._named = [re.compile(rf"\b{re.escape(name)}\b") for name in names]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        files = list(dict.fromkeys(item.path for item in items))
        items.sort(
            key=lambda item: (
                self._rank(item),
                files.index(item.path),
                self._seconds.get(item.nodeid, USUAL),
            )
        )
        self.most += _used()  # collecting is not counted

    def _known(self) -> dict[str, float]:
        lines = self.took.read_text().splitlines() if self.took.exists() else []
        rows = (line.split(" ", 1) for line in lines)
        return {test: float(seconds) for seconds, test in rows}

    def _rank(self, item: pytest.Item) -> int:
        text = f"{item.name} {_source(getattr(item, 'function', None))}"
        ranks = (n for n, named in enumerate(self._named) if named.search(text))
        return next(ranks, len(self._named))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Leave the test out if the time is used up; else limit it."""
        if _used() >= self.most:
            return True
        own = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        until = int(own.ru_utime + own.ru_stime) + LONGEST
        resource.setrlimit(resource.RLIMIT_CPU, (min(until, hard), hard))
        self._begun = _used()
        return None

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        if nodeid not in self._seconds:
            with self.took.open("a") as file:
                file.write(f"{_used() - self._begun:.2f} {nodeid}\n")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._write(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._write(report.nodeid)

    def _write(self, test: str) -> None:
        with self.failed.open("a") as file:
            file.write(f"{test}\n")


def _used() -> float:
    return sum(os.times()[:4])


@cache
def _source(function: object) -> str:
    try:
        return inspect.getsource(function)  # type: ignore[arg-type]
    except (OSError, TypeError):
        return ""
