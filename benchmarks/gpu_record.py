"""Measure everything that is claimed of GPUs on this machine, and write one record.

    python benchmarks/gpu_record.py [--data FOLDER] [--only PART ...] [--minutes 25]

The parts are those of `benchmarks/gpu_parts.py`.  An estimate of each is printed before it starts;
a part that is expected to take longer than the time left is left out.  The record, a JSON file in
`benchmarks/results/gpu` named after the GPU, is written after every part; repeating the command
measures what is missing.  Where there is no GPU, one line says so and the exit status is 2.  The
status is 1 if a part failed, was left out or missed a goal.  ``--device cpu --smoke`` tries the
script.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from benchmarks.gpu_parts import PARTS, FailedError, Setting
from benchmarks.record import git
from bnproof.empirical.data.load import load
from bnproof.simulate.machine import features
from bnproof.theory.common.errors import UserError, described
from bnproof.theory.common.files import write_text

HERE: Final = Path(__file__).resolve().parent
FOLDER: Final = HERE / "results" / "gpu"
MINUTES: Final = 25.0
NO_GPU: Final = (
    "gpu_record: no GPU that PyTorch can use: run it on a machine with CUDA, or try the script "
    "with --device cpu --smoke"
)


def driver() -> str:
    """Return the version of the GPU's driver."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, check=True, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return next(iter(found.stdout.split()), "unknown")


def about(setting: Setting) -> dict[str, Any]:
    """Describe what is measured, and on what; a record with another description is begun anew."""
    named: dict[str, Any] = {
        **features(setting.device),
        "device": setting.device,
        "torch": torch.__version__,
        "commit": git("describe", "--always", "--dirty"),
        "smoke": setting.smoke,
        "images": "random" if setting.data is None else load(setting.data, limit=1).name,
    }
    if setting.device == "cuda":
        named["memory, GiB"] = round(torch.cuda.get_device_properties(0).total_memory / 2**30, 1)
        named["driver"] = driver()
    return named


def path_of(named: dict[str, Any], folder: Path) -> Path:
    """Return the file of the record."""
    words = str(named.get("gpu", "cpu")) + (" smoke" if named["smoke"] else "")
    return folder / f"{re.sub('[^a-z0-9]+', '-', words.lower()).strip('-')}.json"


def read(path: Path, named: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of an earlier record of the same machine, code and sizes."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        parts = record["parts"] if record["about"] == named else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {name: part for name, part in parts.items() if part["status"] == "done"}


def measured(name: str, setting: Setting, left: float) -> dict[str, Any]:
    """Measure one part; a failure is a result."""
    part = PARTS[name]
    begun = time.monotonic()
    row: dict[str, Any] = {"measured": part.words, "estimate, seconds": part.seconds}
    row["date"] = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        found = part.measure(setting, left)
    except (FailedError, UserError) as error:
        row |= {"status": "failed", "why": str(error)}
    except Exception as error:  # the other parts may succeed
        row |= {"status": "failed", "why": described(error)}
    else:
        # At tiny sizes no goal is judged.
        goals = [
            asdict(goal) | {"met": None if setting.smoke else goal.met} for goal in found.goals
        ]
        row |= {"status": "done", "numbers": dict(found.numbers), "goals": goals}
    return row | {"seconds": round(time.monotonic() - begun, 1)}


def told(row: dict[str, Any]) -> str:
    """Return the result of a part as lines."""
    if row["status"] != "done":
        return f"  {row['status']}: {row['why']}"
    lines = [f"  done in {row['seconds']:.0f} s"]
    for goal in row["goals"]:
        bound = goal["at_most"] if goal["at_least"] is None else goal["at_least"]
        kind = "at most" if goal["at_least"] is None else "at least"
        answer = {True: "met", False: "MISSED", None: "not judged at this size"}[goal["met"]]
        lines.append(f"  {goal['words']}: {goal['value']:.4g} ({kind} {bound:.4g}: {answer})")
    return "\n".join(lines)


def run(setting: Setting, names: list[str], folder: Path, minutes: float) -> int:
    """Measure the parts and write the record; return the exit status."""
    deadline = time.monotonic() + 60 * minutes
    named = about(setting)
    path = path_of(named, folder)
    parts = read(path, named)
    for name in names:
        if name in parts:
            print(f"{name}: kept from {parts[name]['date']}")
            continue
        left, estimate = deadline - time.monotonic(), PARTS[name].seconds
        print(f"{name}: {PARTS[name].words}; about {estimate:.0f} s of the {left:.0f} s left")
        sys.stdout.flush()
        if estimate > left and not setting.smoke:
            why = f"needs about {estimate:.0f} s and {max(left, 0):.0f} s are left"
            parts[name] = {"status": "left out", "why": why}
        else:
            parts[name] = measured(name, setting, left)
        print(told(parts[name]), flush=True)
        text = json.dumps({"about": named, "parts": parts}, indent=1, ensure_ascii=False)
        write_text(path, text + "\n")
    print(path)
    rows = [parts[name] for name in names]
    fine = all(row["status"] == "done" for row in rows)
    missed = any(goal["met"] is False for row in rows for goal in row.get("goals", ()))
    return 0 if fine and not missed else 1


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with CIFAR-10 (default: random images)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to try the script")
    parser.add_argument("--only", action="append", choices=tuple(PARTS), metavar="PART")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="default 25")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the record")
    parser.add_argument("--estimate", action="store_true", help="print the estimates only")
    options = parser.parse_args(arguments)
    if options.minutes <= 0:
        parser.error(f"--minutes {options.minutes:g}: must be positive")
    if options.device == "cpu" and not options.smoke:
        parser.error("--device cpu: needs --smoke; goals are for GPUs")
    return options


def main(arguments: list[str]) -> int:
    """Measure the requested parts; return the exit status."""
    options = parse(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print(NO_GPU, file=sys.stderr)
        return 2
    names = options.only or list(PARTS)
    if options.estimate:
        for name in names:
            print(f"{name:12}{PARTS[name].seconds:5.0f} s  {PARTS[name].words}")
        print(f"{'all':12}{sum(PARTS[name].seconds for name in names):5.0f} s")
        return 0
    setting = Setting(options.device, options.smoke, options.data)
    try:
        return run(setting, names, options.out, options.minutes)
    except UserError as error:
        print(f"gpu_record: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
