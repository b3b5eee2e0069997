"""Compare the speed of bnproof with other packages and baselines, and print the ratios.

    python benchmarks/compare.py [NAME ...] [--readme]

NAME is a module of `benchmarks/comparisons`.  Each comparison runs in its own process with one
thread.  Packages that are not installed (extra ``peers``) are reported as missing.  ``--readme``
saves the results in `benchmarks/comparisons/measured.json` and updates the table of README.md; it
needs all comparisons and all packages.  Exit status 1 if a ratio is below the required one.
"""

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.comparisons.row import Row  # noqa: E402
from benchmarks.record import ONE_THREAD, git  # noqa: E402

MEASURED = HERE / "comparisons" / "measured.json"
README = HERE.parent / "README.md"
BLOCK = "compare"  # name of the block in README.md


@dataclass(frozen=True)
class Table:
    """All comparisons, with machine and date.

    Attributes
    ----------
    machine
        Name of the processor.
    torch
        Version of PyTorch.
    date
        Date in ISO 8601 format.
    commit
        The commit that was measured.
    load
        Average number of other runnable processes; 0 on an idle machine, None if unknown.
    rows
        The comparisons.
    """

    machine: str
    torch: str
    date: str
    commit: str
    load: float | None
    rows: list[Row]

    @classmethod
    def from_json(cls, text: str) -> "Table":
        """Invert `to_json`."""
        content = json.loads(text)
        return cls(**content | {"rows": [Row(**row) for row in content["rows"]]})

    def to_json(self) -> str:
        """Return JSON with one value per line."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def markdown(self) -> str:
        """Return the table as Markdown, preceded by machine and date."""
        noise = "" if self.load is None else f", {self.load:.1f} other processes running on average"
        lines = [
            f"{self.machine}, one thread, PyTorch {self.torch}, {self.date}, commit "
            f"{self.commit}{noise}.",
            "",
            "| task | bnproof | compared with | its time | ratio | required | note |",
            "|---|---|---|---|---|---|---|",
            *map(line, self.rows),
        ]
        return "\n".join(lines)


def line(row: Row) -> str:
    """Return a row of a Markdown table."""
    theirs = "missing" if row.theirs is None else f"{row.theirs:.2g} s"
    ratio = "" if row.ratio is None else f"**{_ratio(row.ratio)}**"
    required = "" if row.required is None else f"{row.required:.2g}"
    cells = (row.what, f"{row.ours:.2g} s", row.peer, theirs, ratio, required, row.note)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _ratio(value: float) -> str:
    """Format a ratio with two significant digits, or as an integer from 10 on."""
    return f"{value:.2g}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def names() -> list[str]:
    """Return the modules of `benchmarks/comparisons` that contain comparisons."""
    modules = (path.stem for path in (HERE / "comparisons").glob("*.py"))
    return sorted(name for name in modules if name not in {"__init__", "row"})


def comparisons(name: str) -> dict:
    """Return the comparisons of one module, by name."""
    return importlib.import_module(f"benchmarks.comparisons.{name}").COMPARISONS


def measure(module: str, name: str) -> Row:
    """Run one comparison in a new process with one thread.

    Raises
    ------
    SystemExit
        If the process fails, after it has printed a message.
    """
    command = [sys.executable, __file__, "--only", module, name]
    run = subprocess.run(command, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE, text=True)
    if run.returncode:
        sys.exit(f"compare: {module}, {name}: failed")
    row = Row(**json.loads(run.stdout.splitlines()[-1]))
    print(f"{module}, {name}: {'missing' if row.ratio is None else row.ratio}", file=sys.stderr)
    return row


def other_load() -> float:
    """Return the average number of other runnable processes in the last minute."""
    return max(os.getloadavg()[0] - 1, 0.0)


def processor() -> str:
    """Return the name of the processor, if the system provides it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def run(modules: list[str]) -> Table:
    """Run all comparisons of `modules`."""
    rows, loads = [], []
    for module in modules:
        for name in comparisons(module):
            rows.append(measure(module, name))
            if hasattr(os, "getloadavg"):
                loads.append(other_load())
    load = round(sum(loads) / len(loads), 2) if loads else None
    commit = git("describe", "--always", "--dirty")
    return Table(processor(), version("torch"), str(date.today()), commit, load, rows)


def keep(table: Table, measured: Path = MEASURED, readme: Path = README) -> None:
    """Save `table` and write it to README.md.

    Raises
    ------
    SystemExit
        If a package was missing; then nothing is written.
    """
    from bnproof.readme import replace
    from bnproof.theory.common.files import write_text

    absent = sorted({row.peer for row in table.rows if row.theirs is None})
    if absent:
        sys.exit(f"compare: README.md is not changed: {', '.join(absent)} is not installed")
    write_text(measured, table.to_json())
    write_text(readme, replace(readme.read_text(encoding="utf-8"), BLOCK, table.markdown()))


def main() -> int:
    """Run the requested comparisons and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(names())}")
    parser.add_argument("--readme", action="store_true", help="save the table and update README.md")
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        module, name = options.only
        print(json.dumps(asdict(comparisons(module)[name]())))
        return 0
    unknown = sorted(set(options.names) - set(names()))
    if unknown:
        parser.error(f"unknown {', '.join(unknown)}; known: {', '.join(names())}")
    if options.readme and options.names:
        parser.error("--readme writes the whole table and cannot be combined with NAME")
    table = run(options.names or names())
    print(table.markdown())
    if options.readme:
        keep(table)
    return 0 if all(row.kept for row in table.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
