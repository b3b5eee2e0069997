"""Run the benchmarks on commits and save the results in `benchmarks/results`.

    python benchmarks/record.py [COMMIT ...] [--machine NAME] [--bench REGEX]

By default the checked-out tree is measured, labelled as its HEAD.  A COMMIT is checked out in a
worktree and measured by the current benchmarks, so that numbers can be compared; a commit that
cannot import one of them is rejected, because the history would have a hole.  Commits before the
package `bnproof` are rejected, because the benchmarks would import the current code instead.  All
benchmarks run in the Python that runs this script, with one thread.  The results do not contain
paths of this machine; they are saved under the name given by `--machine`.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CONFIG = HERE / "asv.conf.json"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# Twice at least `SAMPLES` samples: asv calls no difference significant if it has fewer than six of
# each commit.  Two rounds, in processes that are minutes apart, show what varies between processes.
SAMPLES = 5
ATTRIBUTES = ("rounds=2", "warmup_time=0", f"repeat=({SAMPLES},10,1)", "sample_time=0.02")

PROBE = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(f"benchmarks.{name}")
    except Exception:
        print(name)
"""


class CommitError(Exception):
    """A name is not that of a commit that can be measured; the message states why."""


def git(*arguments: str, folder: Path = HERE) -> str:
    """Return the output of git."""
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def has_package(commit: str) -> bool:
    """Whether a commit contains the package `bnproof` in src."""
    command = ["git", "-C", str(HERE), "cat-file", "-e", f"{commit}:src/bnproof/__init__.py"]
    return subprocess.run(command, capture_output=True).returncode == 0


def hashes(names: Sequence[str]) -> list[str]:
    """Return the hashes of commits.

    Raises
    ------
    CommitError
        If a name is not that of a commit.
    """
    try:
        return [git("rev-parse", "--verify", f"{name}^{{commit}}") for name in names]
    except subprocess.CalledProcessError:
        raise CommitError(f"not a commit: one of {' '.join(names)}") from None


def commits_of(names: Sequence[str]) -> list[str]:
    """Return the hashes of commits that can be measured.

    Raises
    ------
    CommitError
        If a name is not that of such a commit.
    """
    commits = hashes(names)
    early = [commit[:8] for commit in commits if not has_package(commit)]
    if early:
        raise CommitError(f"{' '.join(early)}: predates the package bnproof; choose a later commit")
    return commits


def missing(tree: Path) -> list[str]:
    """Return the benchmark modules of `tree` that cannot be imported."""
    modules = [path.stem for path in sorted((tree / "benchmarks").glob("bench_*.py"))]
    run = subprocess.run(
        [sys.executable, "-c", PROBE, *modules],
        cwd=tree,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    )
    return run.stdout.split()


def transplant(tree: Path) -> list[str]:
    """Copy the current benchmarks to `tree`; return the files that cannot be run there."""
    folder = tree / "benchmarks"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in (HERE / "__init__.py", *HERE.glob("bench_*.py")):
        shutil.copy(path, folder)
    names = [f"{module}.py" for module in missing(tree)]
    for name in names:
        (folder / name).unlink()
    return names


def configuration(tree: Path) -> Path:
    """Write asv's settings to measure `tree` and save the results here."""
    settings = json.loads(CONFIG.read_text())
    for name in ("repo", "results_dir", "html_dir", "env_dir"):
        settings[name] = str((HERE / settings[name]).resolve())
    settings["benchmark_dir"] = str(tree / "benchmarks")
    path = tree / "benchmarks" / "asv.conf.json"
    path.write_text(json.dumps(settings))
    return path


def measure(config: Path, commit: str, options: argparse.Namespace) -> int:
    """Run the benchmarks of `config`; return asv's exit status, 2 if some of them failed."""
    command = [sys.executable, str(HERE / "record.py"), "--asv", "run", "--config", str(config)]
    command += ["--environment", "here:same", "--set-commit-hash", commit, "--show-stderr"]
    command += ["--machine", options.machine, "--durations", "10"]
    command += [part for text in ATTRIBUTES for part in ("--attribute", text)]
    command += [part for regex in options.bench for part in ("--bench", regex)]
    return subprocess.run(command, env=os.environ | ONE_THREAD).returncode


@contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """Check out a commit in a worktree."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        git("worktree", "add", "--detach", "--force", str(tree), commit)
        try:
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


@contextmanager
def checked_out(commit: str) -> Iterator[tuple[Path, list[str]]]:
    """Check out a commit in a worktree, with the current benchmarks; see `transplant`."""
    with worktree(commit) as tree:
        yield tree, transplant(tree)


def at(commit: str, options: argparse.Namespace) -> int:
    """Measure a commit; return asv's exit status, 2 if a benchmark cannot be imported there."""
    with checked_out(commit) as (tree, left_out):
        if left_out:
            print(
                f"record: {commit[:8]}: cannot import {' '.join(left_out)}, so that the history "
                "would have holes; choose a later commit",
                file=sys.stderr,
            )
            return 2
        return measure(configuration(tree), commit, options)


def holes(results: dict[str, Any], benchmarks: dict[str, Any]) -> list[str]:
    """Return the benchmarks that a record lacks, in whole or in part, or measured otherwise.

    Parameters
    ----------
    results
        The content of a record.
    benchmarks
        The current benchmarks: the content of asv's file `benchmarks.json`.
    """
    columns = results["result_columns"]
    found = {
        name: dict(zip(columns, row, strict=False)) for name, row in results["results"].items()
    }

    def whole(name: str) -> bool:
        row = found.get(name, {})
        same = all(row.get(key) == benchmarks[name][key] for key in ("params", "version"))
        return same and None not in (row.get("result") or [None])

    return [name for name in benchmarks if name != "version" and not whole(name)]


def asv(arguments: list[str]) -> None:
    """Run asv's command line, with an environment named by versions instead of a path."""
    from importlib.metadata import version

    from asv import main
    from asv.environment import ExistingEnvironment

    class Here(ExistingEnvironment):
        tool_name = "here"

        @property
        def python(self) -> str:
            return f"{sys.version_info.major}.{sys.version_info.minor}"

        @property
        def name(self) -> str:
            return f"python{self.python}-torch{version('torch')}"

    sys.argv = ["asv", *arguments]
    main.main()


def register(machine: str) -> None:
    """Register this machine with asv under a public name."""
    from asv.machine import Machine, MachineCollection

    about = Machine.get_defaults() | {"machine": machine, "os": platform.system()}
    MachineCollection.save(machine, about)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commits", nargs="*", metavar="COMMIT")
    parser.add_argument("--machine", default="this-machine", help="name for the results")
    parser.add_argument("--bench", action="append", default=[], metavar="REGEX")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Measure the requested commits; return 0 if every benchmark ran."""
    options = parse(arguments)
    try:
        commits = commits_of(options.commits or ["HEAD"])
    except CommitError as error:
        print(f"record: {error}", file=sys.stderr)
        return 2
    register(options.machine)
    if not options.commits:
        return measure(CONFIG, commits[0], options)
    return max(at(commit, options) for commit in commits)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--asv"]:
        asv(sys.argv[2:])
    else:
        sys.exit(main(sys.argv[1:]))
