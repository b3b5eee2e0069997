"""What is installed is small, and what a command does not need is not imported."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

LIMIT = 2_000_000  # bytes of the wheel
# What may be imported before a command is chosen, beside the standard library.
LIGHT = {"bnproof", "cyclopts"}
HEAVY = {"torch", "sympy", "numpy", "scipy", "matplotlib", "mpmath", "PIL", "sklearn", "ziamath"}


def imported(code: str) -> set[str]:
    """Top-level modules after `code`, in a fresh interpreter."""
    script = f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.splitlines()[-1].split())


def test_the_command_line_imports_nothing_heavy() -> None:
    assert not imported("import bnproof.cli") & HEAVY
    # Neither does the process that starts trials, on Ray's workers.
    assert not imported("import bnproof.scheduler.local") & (HEAVY | {"cyclopts"})


def test_theory_is_without_torch() -> None:
    found = imported("import pkgutil, importlib\nfrom bnproof import theory\n" + WALK)
    assert "sympy" in found
    assert not found & {"torch", "sklearn", "skimage", "matplotlib"}


WALK = """
for info in pkgutil.walk_packages(theory.__path__, "bnproof.theory."):
    importlib.import_module(info.name)
"""


@pytest.mark.sources
@pytest.mark.slow
def test_the_wheel_is_small_and_holds_what_is_needed(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("build")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(root)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < LIMIT
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "docs"))]
    assert any(name.endswith("templates/report.html") for name in names)
    assert any(name.startswith("bnproof/results/published/") for name in names)
    assert len(names) == len(set(names))


@pytest.mark.sources
def test_the_sources_of_the_wheel_are_small(root: Path) -> None:
    """Before packing: a large file is seen without building."""
    files = [
        path
        for package in ("theory", "simulate", "empirical", "src/bnproof")
        for path in (root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    largest = max(files, key=lambda path: path.stat().st_size)
    assert largest.stat().st_size < 500_000, largest
