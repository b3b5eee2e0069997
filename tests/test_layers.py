"""The rules of the house: imports point one way, nothing circles, rooms stay small.

theory <- simulate <- empirical <- src/bnproof, and theory never needs torch.
"""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

LAYERS = ["theory", "simulate", "empirical", "src/bnproof"]
pytestmark = pytest.mark.sources


def names_in(tree: ast.AST) -> set[str]:
    """Dotted names in import statements, wherever they stand; some are no modules."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    """Layers that a file imports, wherever in the file; `tests` and `benchmarks` too."""
    return {layer_of(name) for name in names_in(parsed(path))}


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


def imports_of(tree: ast.Module) -> set[str]:
    """Names that a module imports when it runs, in its functions too."""
    names = names_in(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            names -= names_in(node)
    return names


def modules(root: Path) -> dict[str, set[str]]:
    """Every module of the project, packages apart, and the modules that it imports."""
    found = {}
    for layer in LAYERS:
        top = "bnproof" if layer == "src/bnproof" else f"bnproof.{layer}"
        for path in (root / layer).rglob("*.py"):
            parts = path.relative_to(root / layer).with_suffix("").parts
            linked = layer == "src/bnproof" and parts[0] in LAYERS
            if path.stem != "__init__" and not linked:
                found[".".join((top, *parts))] = imports_of(parsed(path))
    return {name: names & found.keys() for name, names in found.items()}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import one another, the first once more at the end; empty if there are none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_one_another(root: Path) -> None:
    graph = modules(root)
    assert len(graph) > 300
    assert circle(graph) == []
    # An import inside a function does not hide one.
    assert "bnproof.theory.prove" in graph["bnproof.verification"]
    graph["bnproof.theory.prove"].add("bnproof.verification")
    assert {"bnproof.theory.prove", "bnproof.verification"} <= set(circle(graph))


def rooms(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same between the folders of a layer; a module in a layer's root is a room of its own.

    Some root modules are what every folder builds on, others put the folders together.
    """

    def room(name: str) -> str:
        layer = layer_of(name)
        parts = name.split(".")
        return ".".join(parts[: 2 if layer == "src/bnproof" else 3])

    found: dict[str, set[str]] = {}
    for name, names in graph.items():
        same = {room(other) for other in names if layer_of(other) == layer_of(name)}
        found.setdefault(room(name), set()).update(same - {room(name)})
    return found


def test_no_folders_import_one_another(root: Path) -> None:
    graph = rooms(modules(root))
    assert len(graph) > 30
    assert circle(graph) == []
    graph["bnproof.simulate.samplers"].add("bnproof.simulate.search")
    assert circle(graph)


# They evaluate a claim's own relation on a network; everything else finds claims by id.
EVALUATE_A_CLAIM = {
    "bnproof.empirical.metrics.theorem_callbacks",
    "bnproof.empirical.metrics.theorems",
    "bnproof.simulate.layer_checks.bounds",
}


def test_only_claims_import_claims(root: Path) -> None:
    leaves = ("bnproof.theory.claims.", "bnproof.empirical.experiments.")
    importing = {
        name
        for name, names in modules(root).items()
        if not name.startswith(leaves) and any(other.startswith(leaves) for other in names)
    }
    assert importing == EVALUATE_A_CLAIM


def test_rooms_are_small(root: Path) -> None:
    for layer in LAYERS:
        most = 8 if layer == "src/bnproof" else 6
        files = {path.stem for path in (root / layer).glob("*.py")} - {"__init__", "__main__"}
        assert len(files) <= most, (layer, sorted(files))
        for folder in (path for path in (root / layer).rglob("*") if path.is_dir()):
            count = len(list(folder.glob("*.py")))
            assert count <= 22, (
                f"{folder} has {count} modules: move what belongs together to a folder"
            )


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
    # Tests that write such modules of a user, and a benchmark of commits before the package.
    writers = ("tests/bnproof/test_pytest_plugin.py", "tests/bnproof/test_cli.py")
    own_modules = {Path(__file__), *(root / name for name in writers)}
    own_modules.add(root / "benchmarks/training_pair.py")
    bare = {
        f"{path.relative_to(root)}: {found[0].strip()}"
        for path in files
        if path not in own_modules and "drawn" not in path.parts
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


@pytest.mark.parametrize(
    "command",
    [("claims",), ("claims", "--json"), ("experiment", "list"), ("show", "bjorck_fig3")],
    ids=" ".join,
)
def test_a_list_loads_nothing_heavy(command: tuple[str, ...]) -> None:
    """It reads the files of claims, and imports none of them."""
    found = loaded_by(*command)
    assert not found & {"torch", "sympy", "matplotlib", "numpy", "scipy"}
    files = re.compile(r"bnproof\.(theory\.claims|empirical\.experiments|simulate)\.")
    assert not list(filter(files.match, found))


@pytest.mark.parametrize("command", ["experiment show", "experiment run", "attack", "verify"])
def test_an_unknown_id_is_reported_before_anything_heavy_is_loaded(command: str) -> None:
    found = loaded_after(
        "from bnproof.cli import app\n"
        "from bnproof.theory.common.errors import UserError\n"
        "try:\n"
        f"    app({[*command.split(), 'nope']}, exit_on_error=False)\n"
        "except UserError as error:\n"
        "    assert 'nope' in str(error)\n"
        "else:\n"
        "    raise AssertionError('no error')"
    )
    assert not found & {"torch", "sympy", "matplotlib", "numpy", "scipy"}


def test_verify_loads_what_the_named_claim_needs(tmp_path: Path) -> None:
    words = ("verify", "bn_jacobian", "--scale", "smoke", "--device", "cpu", "--jobs", "1")
    found = loaded_by(*words, "--report", str(tmp_path))
    assert "bnproof.simulate.samplers.autodiff" in found
    own = {name for name in found if name.startswith("bnproof.")}
    assert own & {"bnproof.empirical.experiment", "bnproof.results.published"} == set()
    assert {name for name in own if ".empirical" in name} == {
        "bnproof.empirical",
        "bnproof.empirical.experiments",
        "bnproof.empirical.training",
        "bnproof.empirical.training.run_folder",  # where the scheduler keeps results
    }
    assert [name for name in own if name.startswith("bnproof.theory.claims.gradient.")] == [
        "bnproof.theory.claims.gradient.bn_jacobian"
    ]
    assert not found & {"sklearn", "torch._dynamo"}
    assert len(own) < 120  # with those of the search for a counterexample


@pytest.mark.parametrize("command", ["show", "derive"])
def test_a_claim_of_theory_is_shown_without_torch(command: str) -> None:
    found = loaded_by(command, "santurkar_4_1")
    assert not found & {"torch", "matplotlib", "scipy"}
    assert "bnproof.theory.claims.gradient.santurkar_4_1" in found
