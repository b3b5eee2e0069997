"""Imports point one way: theory <- simulate <- empirical <- ledger; theory never needs torch."""

import ast
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

LAYERS = ["theory", "simulate", "empirical", "ledger"]
pytestmark = pytest.mark.sources


def imported(path: Path) -> set[str]:
    """Top-level names of every absolute import in a file, wherever in the file it stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def upward(layer: str, names: set[str]) -> set[str]:
    return names & set(LAYERS[LAYERS.index(layer) + 1 :])


@pytest.mark.parametrize("layer", LAYERS)
def test_no_upward_import(layer: str, root: Path) -> None:
    files = list((root / layer).rglob("*.py"))
    assert files
    for path in files:
        assert not upward(layer, imported(path)), path
        assert not imported(path) & {"tests", "benchmarks"}, path


def test_an_upward_import_would_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("def f():\n    from ledger.cli import app\n    import simulate.check\n")
    assert upward("theory", imported(path)) == {"ledger", "simulate"}
    assert upward("simulate", imported(path)) == {"ledger"}


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_theory_does_not_load_torch() -> None:
    code = "import theory.claims, theory.catalogue as c\nfound = c.load_folder(theory.claims)"
    assert "torch" not in loaded_after(code)


def loaded_by(*words: str) -> set[str]:
    """Modules that a command leaves loaded."""
    return loaded_after(
        "from ledger.cli import app\nimport contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    app({list(words)}, exit_on_error=False, result_action='return_value')"
    )


@pytest.mark.parametrize("command", [(), ("experiment",), ("sweep",), ("verify",), ("attack",)])
def test_help_loads_nothing_heavy(command: tuple[str, ...]) -> None:
    heavy = {"torch", "sympy", "matplotlib", "numpy", "scipy"}
    assert not loaded_by(*command, "--help") & heavy


@pytest.mark.parametrize("command", ["show", "derive"])
def test_a_claim_of_theory_is_shown_without_torch(command: str) -> None:
    found = loaded_by(command, "santurkar_4_1")
    assert not found & {"torch", "matplotlib", "scipy"}
    assert "theory.claims.santurkar_4_1" in found


NAMED = re.compile(r"[\w*/]+(?:\.py|/)")  # a file, a pattern of files, or a whole folder


def names(path: str, name: str) -> bool:
    """Whether `name`, of the picture, stands for the file: with as much of its folder as it has."""
    of = path.rpartition("/")[0] + "/" if name.endswith("/") else path
    return fnmatch(f"/{of}", f"*/{name}")


def test_the_picture_of_the_architecture_names_every_module_and_no_other(root: Path) -> None:
    text = (root / "ARCHITECTURE.md").read_text(encoding="utf-8")
    picture = text.partition("## Where things stand")[2].split("```")[1]
    listed = {name for name in NAMED.findall(picture) if "ID" not in name}
    files = [
        path.relative_to(root).as_posix()
        for package in (*LAYERS, "benchmarks", "docs/extension")
        for path in (root / package).rglob("*.py")
        if path.name != "__init__.py" and path.parent.name not in {"claims", "experiments"}
    ]
    assert len(files) > 200
    assert [path for path in files if not any(names(path, name) for name in listed)] == []
    strange = [name for name in listed if not any(names(path, name) for path in files)]
    assert [name for name in strange if not [*root.glob(name), *root.glob(f"*/{name}")]] == []
    assert names("theory/a/b.py", "a/")
    assert not names("theory/b.py", "a/")
    assert not names("theory/ab.py", "b.py")
