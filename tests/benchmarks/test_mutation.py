"""The measure of the tests: which changes are made, to what sample, and what counts as caught."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

changes = pytest.importorskip("benchmarks.mutation.changes", reason="the sources are not here")
selection = pytest.importorskip("benchmarks.mutation.selection")
main = pytest.importorskip("benchmarks.mutation.__main__")

pytestmark = pytest.mark.sources

SOURCE = '''
"""A module."""
from functools import cache

SIZE: int = 3
__all__ = ["f"]


@cache
@known
def f(x: tuple[1], *, y=2.5) -> "1 < 2":
    """Docs."""
    assert x > 1
    if x and not y:
        raise ValueError("1" + x)
    print(f"{x + 1}")
    x.size = -1
    return min(x, key=y) if x < 2 else [e for e in zip(x, x, strict=True) if e]


class A:
    def g(self):
        return 1 + 2


def draw(axes):
    axes.set_ylim(0, 1)
    axes.plot([1], color=2)
'''
EXPECTED = {
    ": 3 -> (4)",
    "f: @known -> ",
    "f: 2.5 -> (3.5)",
    "f: x and not y -> (x or not y)",
    "f: x and not y -> (x)",
    "f: x and not y -> (not y)",
    "f: x and not y -> (not (x and (not y)))",
    "f: not y -> (y)",
    'f: raise ValueError("1" + x) -> pass',
    'f: print(f"{x + 1}") -> pass',
    "f: x.size = -1 -> pass",
    "f: -1 -> (1)",
    "f: 1 -> (2)",
    "f: min -> (max)",
    "f: min(x, key=y) -> (min(x))",
    "f: x < 2 -> (x <= 2)",
    "f: 2 -> (3)",
    "f: e -> (True)",
    "A.g: 1 + 2 -> (1 - 2)",
    "A.g: 1 -> (2)",
    "A.g: 2 -> (3)",
    "draw: axes.plot([1], color=2) -> pass",
    "draw: 1 -> (2)",
}


def made(source: str, path: str = "theory/m.py") -> list:
    return changes.changes(path, source.encode())


def test_every_kind_of_change_is_made_and_nothing_else() -> None:
    found = [f"{c.function}: {SOURCE[c.start : c.end]} -> {c.new}" for c in made(SOURCE)]
    assert sorted(found) == sorted(EXPECTED)


def test_a_changed_module_differs_in_one_place_and_can_be_read() -> None:
    before = ast.dump(ast.parse(SOURCE))
    seen = {before}
    for change in made(SOURCE):
        after = change.apply(SOURCE.encode()).decode()
        assert after.startswith(SOURCE[: change.start])
        assert after.endswith(SOURCE[change.end :])
        seen.add(ast.dump(ast.parse(after)))
    assert len(seen) == len(made(SOURCE)) + 1
    assert len({change.key for change in made(SOURCE)}) == len(made(SOURCE))


def test_bytes_and_not_characters_are_counted() -> None:
    source = 's = "ä" if 1 < 2 else "ö"\n'
    (change, *_) = made(source)
    assert change.apply(source.encode()).decode() == 's = "ä" if (1 <= 2) else "ö"\n'


def test_of_the_catalogue_only_functions_are_changed_and_no_drawing() -> None:
    found = made(SOURCE, "empirical/experiments/landscape/m.py")
    assert {change.function for change in found} == {"f", "A.g"}


def ranks(source: str) -> dict[str, str]:
    return {change.rank: change.text for change in made(source)}


def test_the_sample_outlives_new_names_and_changes_elsewhere() -> None:
    renamed = SOURCE.replace("x", "inputs").replace("Docs", "Other words").replace('"1"', '"2"')
    assert ranks(renamed).keys() == ranks(SOURCE).keys()
    more = SOURCE.replace("class A", "def new():\n    return 7 < 8\n\n\nclass A")
    assert ranks(more).keys() > ranks(SOURCE).keys()
    edited = SOURCE.replace("return 1 + 2", "return 1 + 2 + 3")
    kept = {text for rank, text in ranks(edited).items() if rank in ranks(SOURCE)}
    assert len(kept) == len(ranks(SOURCE)) - 3


@pytest.fixture(scope="module")
def sample():
    return changes.sample(main.TREE, 100)


def test_every_stratum_has_its_share_of_the_sample(sample) -> None:
    assert list(sample) == list(changes.STRATA)
    for name, found in sample.items():
        assert len({change.key for change in found}) == 100
        assert all(changes.stratum(change.path) == name for change in found)
        assert [change.rank for change in found] == sorted(change.rank for change in found)
    assert changes.stratum("simulate/check.py") == "simulate"
    assert changes.stratum("simulate/layer_checks/results.py") == "layer checks"


FILES = {
    "theory/loading.py": "",
    "theory/a.py": "SIZE = 3\ndef inner(): ...\ndef outer(): return inner()\n",
    "theory/b.py": "from bnproof.theory import a",
    "theory/claims/c.py": "def prove(): ...",
    "theory/claims/d.py": "from bnproof.theory import a",
    "simulate/far.py": "import bnproof.theory.b",
    "src/bnproof/late.py": "",
    "tests/theory/test_a.py": "from bnproof.theory.a import inner",
    "tests/theory/test_b.py": "from bnproof.theory import b",
    "tests/theory/test_other.py": "import bnproof.theory.loading",
    "tests/theory/claims/test_claims.py": "read('c.toml')",
    "tests/theory/claims/c.toml": "c = 1",
    "tests/simulate/test_far.py": "from bnproof.simulate import far",
    "tests/bnproof/test_cli.py": "run('late')",
    "tests/benchmarks/test_left_out.py": "from bnproof.theory import a",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "first", "others"),
    [
        (
            "theory/a.py",
            ["theory/test_a.py"],
            ["theory/test_b.py", "theory/test_other.py", "simulate/test_far.py"],
        ),
        ("simulate/far.py", ["simulate/test_far.py"], []),
        ("theory/claims/c.py", ["theory/claims/test_claims.py", "theory/test_other.py"], []),
        ("src/bnproof/late.py", ["bnproof/test_cli.py"], []),  # imported by its name, as it runs
    ],
)
def test_files_of_tests_that_import_the_module_come_first(
    tree: Path, path: str, first: list[str], others: list[str]
) -> None:
    found = selection.Selection(tree).of(path)
    assert found == ([f"tests/{name}" for name in first], [f"tests/{name}" for name in others])


@pytest.mark.parametrize(
    ("path", "ids"),
    [("theory/a.py", ["d"]), ("theory/claims/c.py", ["c"]), ("simulate/far.py", [])],
)
def test_a_module_is_for_the_claims_that_use_it(tree: Path, path: str, ids: list[str]) -> None:
    assert selection.Selection(tree).claims(path) == ids


@pytest.mark.parametrize(
    ("path", "at", "names"),
    [
        ("theory/a.py", "...\ndef outer", ["inner", "outer"]),
        ("theory/a.py", "inner()\n", ["outer"]),
        ("theory/a.py", "3", ["SIZE"]),
        ("theory/claims/c.py", "...", ["prove"]),
    ],
)
def test_a_change_is_known_by_its_function_and_what_uses_it(
    path: str, at: str, names: list[str]
) -> None:
    source = FILES[path].encode()
    start = source.index(at.encode())
    tree = ast.parse(source)
    functions = [f for f in tree.body if isinstance(f, ast.FunctionDef)]
    line = source[:start].count(b"\n") + 1
    function = next((f.name for f in functions if f.lineno == line), "")
    change = changes.Change(path, function, "", "", start, start + 1, "")
    assert selection.words(source, change) == names


TESTS = """
import time

def test_other(): assert 0

def test_inner():
    assert 1

def test_quick(): assert 0

def test_outer():
    outer = 0
    while time.process_time() < 1: pass
    assert outer
"""


@pytest.mark.parametrize(
    ("names", "most", "failed"),
    [
        (["inner"], 60, ["test_quick", "test_other", "test_outer"]),
        (["outer"], 60, ["test_outer", "test_quick", "test_other"]),
        (["outer"], 0.5, ["test_outer"]),  # then the time is used up
        (["outer"], 0, []),
    ],
)
def test_likely_tests_run_first_while_there_is_time(
    tmp_path: Path, root: Path, names: list[str], most: float, failed: list[str]
) -> None:
    (tmp_path / "test_m.py").write_text(TESTS)
    (tmp_path / "took").write_text("0.01 test_m.py::test_quick\n")
    (tmp_path / "src").mkdir()
    script = (
        "from pathlib import Path; from benchmarks.mutation import processes, selection; "
        f"paths = [Path({str(tmp_path)!r}, name) for name in ('failed', 'took')]; "
        f"plugin = selection.Order(*paths, {names}, {most}); "
        f"processes.pytest_in(Path({str(tmp_path)!r}), ['test_m.py'], plugin, 60)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=root, check=True)
    path = tmp_path / "failed"
    found = path.read_text().split() if path.exists() else []
    assert [test.partition("::")[2] for test in found] == failed


def test_a_result_holds_until_what_it_depends_on_changes(tmp_path: Path, monkeypatch) -> None:
    for folder in (selection, main):
        monkeypatch.setattr(folder, "TREE", tmp_path)
    monkeypatch.setattr(selection.files_of_tests, "__defaults__", (tmp_path,))
    (tmp_path / "tests").mkdir()
    module, first, second = (
        tmp_path / name for name in ("m.py", "tests/test_a.py", "tests/test_b.py")
    )
    for path in (module, first, second):
        path.write_text("1")
    caught, alive = (changes.Change("m.py", "", text, "", 0, 0, "") for text in ("c", "d"))
    state = main.State(tmp_path / "state")
    for change, result, by in ((caught, "caught", "tests/test_a.py::t"), (alive, "alive", "")):
        state.add(change, {"key": change.key, "result": result, "by": by, "depth": 0})

    def known() -> list[bool]:
        read = main.State(tmp_path / "state")
        return [read.of(change) is not None for change in (caught, alive)]

    assert known() == [True, True]
    second.write_text("2")
    assert known() == [True, False]  # another test may catch it now
    first.write_text("2")
    assert known() == [False, False]
    first.write_text("1")
    assert known() == [True, False]
    module.write_text("2")
    assert known() == [False, False]


def test_changes_that_are_equivalent_have_a_reason(sample) -> None:
    known = {change.key for found in sample.values() for change in found}
    for key, reason in main.reasons().items():
        assert key in known, "no such change: was the code edited?"
        assert len(reason.split()) > 3, key


SCRIPT = """
import sys
from pathlib import Path
from benchmarks.mutation import processes
tree = Path(sys.argv[1])
for test in sys.argv[2:]:
    print(processes.pytest_in(tree, ["-x", test], object(), -29.5))
"""


@pytest.mark.slow
def test_outcomes_are_told_apart(tmp_path: Path, root: Path) -> None:
    """Passed, failed, broken before a test ran, and at work far too long."""
    (tmp_path / "src").mkdir()
    for name, body in {
        "good": "def test(): pass",
        "bad": "def test(): assert 0",
        "broken": "import no_such_module",
        "endless": "def test():\n    while True: pass",
    }.items():
        (tmp_path / f"{name}.py").write_text(body)
    files = [f"{name}.py" for name in ("good", "bad", "broken", "endless")]
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), *files],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == ["passed", "failed", "failed", "timeout"], run.stderr
