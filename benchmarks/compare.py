"""Run every side-by-side measurement, each in a process of its own, and print the ratios.

    python benchmarks/compare.py [NAME ...] [--json FILE]

NAME is a module of `benchmarks/comparisons`.  One thread is used throughout.  Nothing is installed:
a peer that is missing is named as missing (extra ``peers``).  Exit status 1 if a ratio is below
what the project promises.
"""

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.comparisons.row import Row  # noqa: E402

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def names() -> list[str]:
    """Modules of `benchmarks/comparisons` that measure something."""
    found = (path.stem for path in (HERE / "comparisons").glob("*.py"))
    return sorted(name for name in found if name not in {"__init__", "row"})


def measure(name: str) -> list[Row]:
    """Rows of one module, measured in a process of its own with one thread.

    Raises
    ------
    SystemExit
        If the process fails; its message has been printed.
    """
    command = [sys.executable, __file__, "--only", name]
    run = subprocess.run(command, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE, text=True)
    if run.returncode:
        sys.exit(f"compare: {name} failed")
    print(f"measured {name}", file=sys.stderr)
    return [Row(**row) for row in json.loads(run.stdout.splitlines()[-1])]


def processor() -> str:
    """Name of the processor, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    found = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(found, platform.processor() or platform.machine())


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| work | ours | peer | its time | ratio | promised |", "|---|---|---|---|---|---|"]
    for row in rows:
        theirs = "missing" if row.theirs is None else f"{row.theirs:.3g} s"
        ratio = "" if row.ratio is None else f"**{row.ratio:.1f}**"
        promised = "" if row.required is None else f"{row.required:g}"
        what = f"{row.what} ({row.note})" if row.note else row.what
        lines.append(
            f"| {what} | {row.ours:.3g} s | {row.peer} | {theirs} | {ratio} | {promised} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure what is asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        module = importlib.import_module(f"benchmarks.comparisons.{options.only}")
        print(json.dumps([asdict(row) for row in module.rows()]))
        return 0
    unknown = sorted(set(options.names) - set(names()))
    if unknown:
        parser.error(f"unknown {', '.join(unknown)}; known: {', '.join(names())}")
    rows = [row for name in options.names or names() for row in measure(name)]
    print(f"{processor()}, one thread, {date.today()}\n\n{table(rows)}")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
