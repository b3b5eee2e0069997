"""Imports point one way: theory <- simulate <- empirical <- ledger; theory never needs torch."""

import ast
import subprocess
import sys
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


def test_help_loads_nothing_heavy() -> None:
    code = (
        "from ledger.cli import app\nimport contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n    app(['--help'], exit_on_error=False)"
    )
    assert not loaded_after(code) & {"torch", "sympy", "matplotlib", "numpy", "scipy"}
