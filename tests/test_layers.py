"""The rules of the house: imports point one way, folders do not circle, rooms stay small.

theory <- simulate <- empirical <- src/bnproof, and theory never needs torch.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

LAYERS = ["theory", "simulate", "empirical", "src/bnproof"]
pytestmark = pytest.mark.sources


def names_in(path: Path) -> set[str]:
    """Dotted names in a file's import statements, wherever in the file they stand."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported(path: Path) -> set[str]:
    """Layers that a file imports; `tests` and `benchmarks` too."""
    return {layer_of(name) for name in names_in(path)}


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


Graph = dict[str, set[str]]


def module_name(path: Path, root: Path) -> str:
    """Dotted name of a file below one of the layers' folders."""
    parts = path.relative_to(root).with_suffix("").parts
    parts = parts[2:] if parts[0] == "src" else parts
    return ".".join(["bnproof", *parts]).removesuffix(".__init__")


def rooms(root: Path) -> Graph:
    """Which folder or root module of the same layer each of them imports.

    A module in the root of a layer is a room of its own: some of them are what every folder builds
    on, others put the folders together.  Imports for type checkers and inside functions count too.
    """
    graph: Graph = {}
    for layer in LAYERS:
        prefix = "bnproof." if layer.startswith("src") else f"bnproof.{layer}."
        for path in (root / layer).glob("**/*.py"):
            own = module_name(path, root)
            for name in names_in(path):
                if own.startswith(prefix) and name.startswith(prefix) and layer_of(name) == layer:
                    pair = [part.removeprefix(prefix).split(".")[0] for part in (own, name)]
                    if pair[0] != pair[1]:
                        graph.setdefault(f"{prefix}{pair[0]}", set()).add(f"{prefix}{pair[1]}")
    return graph


def circle(graph: Graph) -> list[str]:
    """A circle of imports, or an empty list."""
    done: set[str] = set()

    def walk(node: str, road: list[str]) -> list[str]:
        if node in road:
            return [*road[road.index(node) :], node]
        if node in done:
            return []
        for after in sorted(graph.get(node, ())):
            if found := walk(after, [*road, node]):
                return found
        done.add(node)
        return []

    return next(filter(None, (walk(node, []) for node in sorted(graph))), [])


def test_folders_do_not_import_one_another_in_a_circle(root: Path) -> None:
    graph = rooms(root)
    assert len(graph) > 20
    assert circle(graph) == []


def test_a_circle_would_be_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}}) == []


# They evaluate a claim's own relation on a network; everything else finds claims by id.
EVALUATE_A_CLAIM = {
    "bnproof.empirical.metrics.theorem_callbacks",
    "bnproof.empirical.metrics.theorems",
    "bnproof.simulate.layer_checks.bounds",
}


def test_only_claims_import_claims(root: Path) -> None:
    leaves = ("bnproof.theory.claims.", "bnproof.empirical.experiments.")
    importing = {
        own
        for layer in LAYERS
        for path in (root / layer).rglob("*.py")
        if not (own := module_name(path, root)).startswith(leaves)
        and any(name.startswith(leaves) for name in names_in(path))
    }
    assert importing == EVALUATE_A_CLAIM


def test_rooms_are_small(root: Path) -> None:
    for layer in LAYERS:
        most = 8 if layer == "src/bnproof" else 6
        modules = {path.stem for path in (root / layer).glob("*.py")} - {"__init__", "__main__"}
        assert len(modules) <= most, (layer, sorted(modules))
        for folder in (path for path in (root / layer).rglob("*") if path.is_dir()):
            assert len(list(folder.glob("*.py"))) <= 22, folder


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
