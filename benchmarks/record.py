"""Run the benchmarks on commits and save the results in `benchmarks/results`.

    python benchmarks/record.py [COMMIT ...] [--machine NAME] [--bench REGEX]

By default the checked-out tree is measured, labelled as its HEAD.  A COMMIT is checked out in a
worktree and measured by the current benchmarks, so that numbers can be compared; benchmark files
that cannot be imported there are left out.  Commits before the package `bnproof` are rejected,
because the benchmarks would import the current code instead.  All benchmarks run in the Python that
runs this script, with one thread.  The results do not contain paths of this machine; they are saved
under the name given by `--machine`.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONFIG = HERE / "asv.conf.json"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# Few repetitions, so that a commit takes minutes; tracked accuracies do not depend on them.
ATTRIBUTES = ("rounds=1", "warmup_time=0", "repeat=(1,3,0.5)", "sample_time=0.01")

PROBE = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(f"benchmarks.{name}")
    except Exception:
        print(name)
"""


def git(*arguments: str, folder: Path = HERE) -> str:
    """Return the output of git."""
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def has_package(commit: str) -> bool:
    """Whether a commit contains the package `bnproof` in src."""
    command = ["git", "-C", str(HERE), "cat-file", "-e", f"{commit}:src/bnproof/__init__.py"]
    return subprocess.run(command, capture_output=True).returncode == 0


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


def at(commit: str, options: argparse.Namespace) -> int:
    """Check out a commit in a worktree and measure it."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        git("worktree", "add", "--detach", "--force", str(tree), commit)
        try:
            for name in transplant(tree):
                print(f"{commit[:8]}: {name} cannot be imported and is left out")
            return measure(configuration(tree), commit, options)
        finally:
            git("worktree", "remove", "--force", str(tree))


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
    names = options.commits or ["HEAD"]
    try:
        commits = [git("rev-parse", "--verify", f"{name}^{{commit}}") for name in names]
    except subprocess.CalledProcessError:
        print(f"record: not a commit: one of {' '.join(names)}", file=sys.stderr)
        return 2
    early = [commit[:8] for commit in commits if not has_package(commit)]
    if early:
        print(
            f"record: {' '.join(early)}: predates the package bnproof; choose a later commit",
            file=sys.stderr,
        )
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
