"""Run every side-by-side measurement, each in a process of its own, and print the ratios.

    python benchmarks/compare.py [NAME ...] [--readme]

NAME is a module of `benchmarks/comparisons`.  One thread is used throughout.  Nothing is installed:
a peer that is missing is named as missing (extra ``peers``).  ``--readme`` keeps what was measured
in `benchmarks/comparisons/measured.json` and writes the table of README.md from it; that asks for
all comparisons and all peers.  Exit status 1 if a ratio is below what the project promises.
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
BLOCK = "compare"  # its name between the markers in README.md


@dataclass(frozen=True)
class Table:
    """What was measured, where and when.

    Attributes
    ----------
    machine
        Name of the processor.
    torch
        Version of PyTorch.
    date
        ISO 8601.
    commit
        What was measured.
    load
        Processes that wanted to run beside the measurement, on average: 0 on a quiet machine, None
        if the system does not tell.
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
        """Read what `to_json` wrote."""
        content = json.loads(text)
        return cls(**content | {"rows": [Row(**row) for row in content["rows"]]})

    def to_json(self) -> str:
        """As text that git can compare line by line."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def markdown(self) -> str:
        """Where and when, and the rows."""
        noise = "" if self.load is None else f", {self.load:.1f} other processes running on average"
        lines = [
            f"{self.machine}, one thread, PyTorch {self.torch}, {self.date}, commit "
            f"{self.commit}{noise}.",
            "",
            "| work | ours | beside | its time | ratio | promised | note |",
            "|---|---|---|---|---|---|---|",
            *map(line, self.rows),
        ]
        return "\n".join(lines)


def line(row: Row) -> str:
    """One row as a line of a Markdown table."""
    theirs = "missing" if row.theirs is None else f"{row.theirs:.2g} s"
    ratio = "" if row.ratio is None else f"**{_ratio(row.ratio)}**"
    promised = "" if row.required is None else f"{row.required:.2g}"
    cells = (row.what, f"{row.ours:.2g} s", row.peer, theirs, ratio, promised, row.note)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _ratio(value: float) -> str:
    """Two digits, or as many as stand before the point."""
    return f"{value:.2g}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def names() -> list[str]:
    """Modules of `benchmarks/comparisons` that measure something."""
    found = (path.stem for path in (HERE / "comparisons").glob("*.py"))
    return sorted(name for name in found if name not in {"__init__", "row"})


def comparisons(name: str) -> dict:
    """The comparisons of one module, by name."""
    return importlib.import_module(f"benchmarks.comparisons.{name}").COMPARISONS


def measure(module: str, name: str) -> Row:
    """One comparison, in a process of its own with one thread.

    Raises
    ------
    SystemExit
        If the process fails; its message has been printed.
    """
    command = [sys.executable, __file__, "--only", module, name]
    run = subprocess.run(command, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE, text=True)
    if run.returncode:
        sys.exit(f"compare: {module}, {name}: failed")
    row = Row(**json.loads(run.stdout.splitlines()[-1]))
    print(f"{module}, {name}: {'missing' if row.ratio is None else row.ratio}", file=sys.stderr)
    return row


def beside() -> float:
    """Processes that wanted to run in the last minute, less the one that measures."""
    return max(os.getloadavg()[0] - 1, 0.0)


def processor() -> str:
    """Name of the processor, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    found = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(found, platform.processor() or platform.machine())


def run(modules: list[str]) -> Table:
    """Measure all comparisons of `modules`."""
    rows, loads = [], []
    for module in modules:
        for name in comparisons(module):
            rows.append(measure(module, name))
            if hasattr(os, "getloadavg"):
                loads.append(beside())
    load = round(sum(loads) / len(loads), 2) if loads else None
    commit = git("describe", "--always", "--dirty")
    return Table(processor(), version("torch"), str(date.today()), commit, load, rows)


def keep(table: Table, measured: Path = MEASURED, readme: Path = README) -> None:
    """Keep `table` and write it into README.md.

    Raises
    ------
    SystemExit
        If a peer was missing; nothing is written then.
    """
    from bnproof.readme import replace
    from bnproof.theory.common.files import write_text

    absent = sorted({row.peer for row in table.rows if row.theirs is None})
    if absent:
        sys.exit(f"compare: README.md stays as it is, for {', '.join(absent)} is not installed")
    write_text(measured, table.to_json())
    write_text(readme, replace(readme.read_text(encoding="utf-8"), BLOCK, table.markdown()))


def main() -> int:
    """Measure what is asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}")
    parser.add_argument("--readme", action="store_true", help="keep the rows, write README.md")
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
        parser.error("--readme writes the whole table; give it without names")
    table = run(options.names or names())
    print(table.markdown())
    if options.readme:
        keep(table)
    return 0 if all(row.kept for row in table.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
