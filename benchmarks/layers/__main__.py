"""Score `bnproof check-layer` on right and on faulty layers.

    python -m benchmarks.layers [--seeds 40] [--readme]

Of a right layer no fault may be reported, whatever the seed.  A faulty one is caught if a fault is
reported or if it is refused as no normaliser, at default settings; its cause is named if the line
at the top has the word that `MUTANTS` gives.  ``--readme`` writes the score to README.md.  Exit
status 1 if a right layer has a fault, or if fewer are caught or named than the goals.
"""

import argparse
import datetime
import re
import sys
import textwrap
from pathlib import Path
from typing import Final

import torch
from tqdm import tqdm

from benchmarks.layers.mutants import MUTANTS, Mutant
from benchmarks.layers.right import RIGHT
from bnproof.readme import replace
from bnproof.simulate.layer_checks.measure import check_layer
from bnproof.theory.common.errors import UserError
from bnproof.theory.common.files import write_text

README: Final = Path(__file__).resolve().parents[2] / "README.md"
BLOCK: Final = "layers"
CAUGHT: Final = 0.97  # goals: shares of the faulty layers
NAMED: Final = 0.90


def at_fault(seeds: int) -> list[str]:
    """Names of right layers in which a fault is reported, with the seed."""
    return [
        f"{name}, seed {seed}"
        for name, make in tqdm(RIGHT.items(), desc="right layers", disable=None)
        for seed in range(seeds)
        if not check_layer(make(), seed=seed).passed
    ]


def judge(mutant: Mutant) -> tuple[bool, bool]:
    """Whether a faulty layer is caught, and whether its cause is named."""
    try:
        report = check_layer(mutant.make())
    except UserError:  # refused as no normaliser
        return True, False
    named = bool(report.cause) and re.search(mutant.cause, report.cause) is not None
    return not report.passed, named


def main() -> int:
    """Print the score; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--readme", action="store_true")
    options = parser.parse_args()
    faults = at_fault(options.seeds)
    score = {
        name: judge(mutant)
        for name, mutant in tqdm(MUTANTS.items(), desc="faulty layers", disable=None)
    }
    caught = sum(found for found, _ in score.values())
    named = sum(cause for _, cause in score.values())
    right, wrong = len(RIGHT), len(MUTANTS)
    text = (
        f"Of {right} right layers with {options.seeds} seeds each, {len(faults)} reports have a "
        f"fault. Of {wrong} faulty layers {caught} are caught ({caught / wrong:.1%}), and the "
        f"cause is named of {named} ({named / wrong:.1%}). (`python -m benchmarks.layers --seeds "
        f"{options.seeds}`, default settings, CPU, PyTorch {torch.__version__}, "
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}.)"
    )
    print("\n".join(lines := textwrap.wrap(text, 105)))
    for name in faults:
        print(f"right layer at fault: {name}")
    for name, (found, cause) in score.items():
        if not found or not cause:
            print(f"{'cause not named' if found else 'not caught'}: {name}")
    if options.readme:
        write_text(README, replace(README.read_text(encoding="utf-8"), BLOCK, "\n".join(lines)))
    return 0 if not faults and caught >= CAUGHT * wrong and named >= NAMED * wrong else 1


if __name__ == "__main__":
    sys.exit(main())
