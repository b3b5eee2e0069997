"""The hash of code: what changes it and what does not, on a package made for the purpose."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bnproof.theory.common.code import code_hash, reached

FILES = {
    "__init__.py": "",
    "first.py": """
from typing import TYPE_CHECKING

from toy_package.inner import used
from toy_package.values import ONE

if TYPE_CHECKING:
    from toy_package import typed

RATE = 0.5


def run(rate: float = RATE) -> float:
    from toy_package import late

    return late.TWO * ONE * rate
""",
    "values.py": "ONE = 1\n",
    "late.py": "TWO = 2\n",
    "typed.py": "KIND = 1\n",
    "unreached.py": "THREE = 3\n",
    "inner/__init__.py": "",
    "inner/used.py": "from .deeper import FOUR\nfrom . import beside\n",
    "inner/deeper.py": "FOUR = 4\n",
    "inner/beside.py": "import os, toy_package.last\n",
    "last.py": "LAST = 1\n",
}
REACHED = {"first", "inner", "inner.used", "inner.deeper", "inner.beside", "last", "late", "values"}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = tmp_path / "toy_package"
    for name, content in FILES.items():
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / name).write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    yield root
    from bnproof.theory.common import code

    code._folder.cache_clear()
    for name in [name for name in sys.modules if name.startswith("toy_package")]:
        del sys.modules[name]


def of_first() -> str:
    return code_hash("toy_package.first", within="toy_package")


def test_imports_are_followed_wherever_they_stand(package: Path) -> None:
    files = reached("toy_package.first", within="toy_package")
    assert set(files) == {"toy_package", *(f"toy_package.{name}" for name in REACHED)}
    assert files["toy_package.inner"] == package / "inner" / "__init__.py"
    assert not any(name.startswith("toy_package.") for name in sys.modules)  # nothing is run


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("RATE = 0.5\n", "RATE = 0.5  # a comment\n"),
        ("RATE = 0.5\n", "RATE = (\n    0.5\n)\n\n\n"),
        ("\nfrom typing", '"""A docstring."""\nfrom typing'),
        ("    from toy_package import late", '    "Words."\n    from toy_package import late'),
    ],
    ids=["comment", "layout", "docstring", "docstring of a function"],
)
def test_words_and_layout_do_not_count(package: Path, before: str, after: str) -> None:
    first = of_first()
    edit(package / "first.py", before, after)
    assert of_first() == first


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("first.py", "0.5", "0.25"),
        ("first.py", "RATE = 0.5", "RATE = '0.5'"),
        ("first.py", "ONE * rate", "rate * ONE"),
        ("first.py", "rate: float = RATE", "rate: float"),
        ("values.py", "ONE = 1", "ONE = 1.0"),
        ("values.py", "ONE = 1", "ONE = True"),
        ("late.py", "2", "3"),
        ("inner/deeper.py", "4", "5"),
        ("inner/__init__.py", "", "import os\n"),
        ("last.py", "LAST = 1", "LAST = {**{}, 1: None}"),
        ("__init__.py", "", "SIZE = 1\n"),
    ],
)
def test_code_counts_wherever_it_is_reached(
    package: Path, name: str, before: str, after: str
) -> None:
    first = of_first()
    edit(package / name, before, after)
    assert of_first() != first
    edit(package / name, after, before)
    assert of_first() == first


@pytest.mark.parametrize("name", ["unreached.py", "typed.py"])
def test_a_module_that_is_not_reached_does_not_count(package: Path, name: str) -> None:
    first = of_first()
    (package / name).write_text("OTHER = 1\n")
    assert of_first() == first


def test_an_import_that_is_skipped_counts_where_another_module_has_it(package: Path) -> None:
    def files(**skip: tuple[str, ...]) -> set[str]:
        names = {f"toy_package.{name}": skipped for name, skipped in skip.items()}
        return set(reached("toy_package.first", within="toy_package", skip=names))

    whole = set(reached("toy_package.first", within="toy_package"))
    assert files(first=("toy_package.late",)) == whole - {"toy_package.late"}
    edit(package / "values.py", "ONE = 1\n", "from toy_package import late\n")
    assert files(first=("toy_package.late",)) == whole


def test_several_modules_have_one_hash_in_any_order(package: Path) -> None:
    def both(*names: str) -> str:
        return code_hash(*(f"toy_package.{name}" for name in names), within="toy_package")

    assert both("late", "values") == both("values", "late") != both("values")


def test_a_module_from_elsewhere_is_followed_with_its_neighbours(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "own_module.py").write_text("import own_helper\nimport toy_package.late\n")
    (folder / "own_helper.py").write_text("import toy_package.values\n")
    monkeypatch.syspath_prepend(folder)
    importlib.import_module("own_module")
    files = reached("own_module", within="toy_package")
    inside = {"toy_package", "toy_package.late", "toy_package.values"}
    assert set(files) == {"own_module", "own_helper", *inside}
    for name in ("own_module", "own_helper"):
        del sys.modules[name]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: code_hash("toy_package.nothing", within="toy_package"), "no module 'toy_package"),
        (lambda: code_hash("sys", within="toy_package"), "no module 'sys'"),
        (lambda: code_hash("toy_package", within="no_package"), "no module"),
        (lambda: code_hash("toy_package.late", within="toy_package.late"), "is not a package"),
    ],
)
def test_what_is_no_module_is_refused(package: Path, call: Callable[[], str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_what_does_not_parse_is_a_syntax_error(package: Path) -> None:
    (package / "late.py").write_text("def\n")
    with pytest.raises(SyntaxError):
        of_first()


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
