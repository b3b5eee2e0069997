"""Imports point one way: theory <- simulate <- empirical <- the rest; theory never needs torch."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

LAYERS = ["theory", "simulate", "empirical", "src/bnproof"]
pytestmark = pytest.mark.sources


def imported(path: Path) -> set[str]:
    """Layers that a file imports, wherever in the file; `tests` and `benchmarks` too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {layer_of(name) for name in names}


def layer_of(name: str) -> str:
    """The layer of a dotted name; of a module outside the project its first part."""
    top, _, rest = name.partition(".")
    if top != "bnproof":
        return top
    below = rest.partition(".")[0]
    return below if below in LAYERS else "src/bnproof" if rest else ""


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
    path.write_text(
        "def f():\n    from bnproof.cli import app\n    import bnproof.simulate.check\n"
    )
    assert upward("theory", imported(path)) == {"src/bnproof", "simulate"}
    assert upward("simulate", imported(path)) == {"src/bnproof"}


# Names that the packages had before they were parts of bnproof; a user may have modules of the same
# names, and where both are installed the wrong one is imported.
BARE = "(theory|simulate|empirical|ledger)"
BARE_IMPORT = re.compile(
    rf"^[\s>]*import (\w+, )*{BARE}\b|\bfrom {BARE}(\.\w+)* import |\bimport_module\([\"']{BARE}\b",
    re.MULTILINE,
)


def test_every_import_goes_through_bnproof(root: Path) -> None:
    """Code in strings and in documents counts too."""
    folders = ("src", "theory", "simulate", "empirical", "tests", "benchmarks", "docs")
    files = [path for folder in folders for path in (root / folder).rglob("*.[pm][yd]")]
    files += root.glob("*.md")
    assert len(files) > 500
    bare = {
        f"{path.relative_to(root)}: {found[0].strip()}"
        for path in files
        if path != Path(__file__) and "drawn" not in path.parts
        for found in BARE_IMPORT.finditer(path.read_text(encoding="utf-8"))
    }
    assert not bare, "write bnproof.theory, bnproof.simulate or bnproof.empirical"


@pytest.mark.parametrize(
    "code",
    [
        "import theory",
        "    import simulate.check as c",
        ">>> import os, empirical",
        'run("from ledger.cli import main")',
        "importlib.import_module('theory.claims')",
    ],
)
def test_a_bare_import_would_be_seen(code: str) -> None:
    assert BARE_IMPORT.search(f"x = 1\n{code}\n")
    assert not BARE_IMPORT.search(re.sub(BARE, r"bnproof.\1", code))
    assert not BARE_IMPORT.search("from bnproof import theory\nresults from simulate, and more\n")


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_theory_does_not_load_torch() -> None:
    code = "from bnproof.theory import claims, loading\nfound = loading.load_folder(claims)"
    assert "torch" not in loaded_after(code)


def loaded_by(*words: str) -> set[str]:
    """Modules that a command leaves loaded."""
    return loaded_after(
        "from bnproof.cli import app\nimport contextlib, io\n"
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
    assert "bnproof.theory.claims.gradient.santurkar_4_1" in found
