"""The fixture `check_layer` in a project of a user's own."""

import os
import subprocess
import sys
from pathlib import Path

LAYERS = """
import pytest
from torch import nn


def test_good(check_layer):
    assert check_layer(nn.RMSNorm(6, eps=1e-5)).passed


def test_bad(check_layer):
    check_layer(nn.RMSNorm(6, eps=1e-5), eps=1e-3)


def test_not_bad_after_all(check_layer):
    check_layer(nn.RMSNorm(6, eps=1e-5), known=["backward"])
"""

UNUSED = """
import sys

import empirical
import simulate
import theory


def test_nothing_is_imported():
    loaded = {name for name in sys.modules if name.startswith("bnproof.")}
    assert loaded == {"bnproof.pytest_plugin"}
    assert not {"torch", "sympy", "numpy"} & set(sys.modules)


def test_own():
    assert theory.OWN == simulate.OWN == empirical.OWN
"""

NO_TORCH = """
import sys


def test_layer(monkeypatch, request):
    for name in [name for name in sys.modules if name.partition(".")[0] == "torch"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    request.getfixturevalue("check_layer")
"""


def run_pytest(folder: Path, tests: str, **environment: str) -> str:
    (folder / "test_mine.py").write_text(tests)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"PYTEST_ADDOPTS": ""} | environment,
    )
    return run.stdout + run.stderr


# Without what else is installed, pytest starts faster.
ALONE = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_ADDOPTS": "-p bnproof.pytest_plugin",
}


def test_each_failing_row_is_one_line(tmp_path: Path) -> None:
    out = run_pytest(tmp_path, LAYERS, **ALONE)
    assert "1 passed" in out, out
    assert "2 failed" in out
    assert "forward, eps stands where it should" in out
    assert "known 'backward': this check finds no fault; remove it" in out


def test_a_run_that_does_not_use_it_imports_nothing(tmp_path: Path) -> None:
    """And modules of a user's own may have the names of the packages."""
    for name in ("theory.py", "empirical.py", "simulate/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("OWN = True\n")
    out = run_pytest(tmp_path, UNUSED)
    assert "2 passed" in out, out


def test_a_missing_package_is_one_line(tmp_path: Path) -> None:
    out = run_pytest(tmp_path, NO_TORCH, **ALONE)
    assert "check_layer: torch is not installed; run `pip install bnproof`" in out, out
    assert "Traceback" not in out
    assert "def check_layer" not in out
