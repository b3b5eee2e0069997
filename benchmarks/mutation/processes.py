"""Run pytest in a process forked from this one, which has already imported large packages.

The tests run in a copy of the tree and import from it; the tree itself is never modified.
"""

import compileall
import importlib
import os
import resource
import shutil
import signal
import sys
import time
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

TREE = Path(__file__).resolve().parents[2]
LOADED = (
    *("torch", "sympy", "scipy.stats", "scipy.integrate", "scipy.optimize", "matplotlib.pyplot"),
    *("torch.func", "hypothesis.strategies", "cyclopts", "jinja2", "tqdm"),
)
NOT_COPIED = (".git", ".venv", ".asv", ".hypothesis", "build", "dist", "__pycache__", "*.egg-info")
MEMORY = 24 * 2**30  # limit of the address space in bytes, since a mutation may allocate anything
PASSED, FAILED, LATE = "passed", "failed", "timeout"


def preload() -> None:
    """Import third-party packages with one thread; they must not be used before the fork."""
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.dont_write_bytecode = True
    for name in LOADED:
        importlib.import_module(name)


def copy_tree(to: Path) -> Path:
    """Copy the tree to the folder `to`."""
    shutil.rmtree(to, ignore_errors=True)
    ignore = shutil.ignore_patterns(*NOT_COPIED)
    shutil.copytree(TREE, to, symlinks=True, ignore=ignore)
    # Hash-based, because a mutated file can have the same modification time.
    compileall.compile_dir(to, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
    return to


def pytest_in(tree: Path, tests: list[str], plugin: Any, seconds: float) -> str:
    """Run `tests` in `tree`; kill them if they take much longer than `seconds`.

    The limit applies to CPU time; thirty times as much wall-clock time is allowed, because the
    machine may be busy.  `plugin` is a pytest plugin, which runs in the forked process.
    """
    limit = 60 + 2 * seconds
    pid = os.fork()
    if pid == 0:
        _child(tree, tests, plugin, int(limit))
    until = time.monotonic() + 30 * limit
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        time.sleep(0.02)
    _kill_group(pid)
    if not done:
        _, status = os.waitpid(pid, 0)
        return LATE
    if os.WIFSIGNALED(status):
        return LATE if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL) else FAILED
    return PASSED if os.WEXITSTATUS(status) in (0, 5) else FAILED  # 5: no tests collected


def _kill_group(pid: int) -> None:
    """Kill the forked process and its children."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _child(tree: Path, tests: list[str], plugin: Any, limit: int) -> None:
    status = 70
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        log = os.open(f"{tree}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(tree)
        sys.path[:0] = [str(tree / "src"), str(tree)]
        os.environ |= {"PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        import pytest

        options = ["-q", "--tb=short", "-p", "no:cacheprovider"]
        options += ["-m", "not slow", f"--basetemp={tree}.tmp"]
        # hypothesis is loaded already, so that its assertions cannot be rewritten.
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        status = int(pytest.main([*options, *tests], plugins=[plugin]))
    except BaseException as error:
        print(repr(error), flush=True)
    finally:
        sys.stdout.flush()
        os._exit(status)
