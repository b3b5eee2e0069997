"""How far rounding alone moves the numbers of experiments.

    python benchmarks/rounding.py ID ...

The experiments are run at the smallest scale as this machine computes, and again as others would:
with other vector instructions, other kernels of oneDNN and OpenBLAS, and two threads.  Printed is
the largest difference of each: of what is measured, over the largest entry of its quantity; and of
the first losses of training, update by update.  The bands in
``tests/bnproof/results/test_agreement.py`` are made of these.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np

from bnproof.catalogue import experiment
from bnproof.empirical.experiment import experiment_of
from bnproof.results import published

MACHINES = (
    {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    },
    {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "2"},
    {"OMP_NUM_THREADS": "2"},
)


def run(ids: list[str], limits: dict[str, str]) -> dict[str, published.Record]:
    """Measure experiments in a process of its own; their records by id."""
    words = ["-m", "bnproof", "experiment", "run", *ids, "--scale", "smoke", "--device", "cpu"]
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(
            [sys.executable, "-P", *words, "--out", out],
            env=os.environ | {"OMP_NUM_THREADS": "1"} | limits,
            stdout=subprocess.DEVNULL,
            check=False,  # a verdict at the smallest scale means nothing
        )
        records = map(published.read, Path(out).glob("results/*.json"))
        return {record["id"]: record for record in records}


def spread(one: published.Record, other: published.Record) -> float:
    """The largest difference of what is measured, over the largest entry of its quantity."""
    pictures = experiment_of(experiment(one["id"])).pictures
    found = [0.0]
    for net, rows in one["series"].items():
        for name in rows.keys() - pictures:
            here = np.array(rows[name], dtype=float)
            far = np.abs(here - np.array(other["series"][net][name], dtype=float))
            found.append(np.nanmax(far) / (np.nanmax(np.abs(here)) or 1.0))
    return max(found)


def growth(one: published.Record, other: published.Record) -> list[float]:
    """The largest relative difference of the first losses, by update."""
    apart: list[list[float]] = []
    for here, there in zip(one["runs"], other["runs"], strict=True):
        losses = np.array([here["first losses"], there["first losses"]], dtype=float)
        apart.append(np.abs(np.diff(losses, axis=0)[0] / losses[0]).tolist())
    return [max(row) for row in zip_longest(*apart, fillvalue=0.0)]


def table(ids: list[str]) -> Iterator[str]:
    """A line for each experiment and each other machine."""
    here = run(ids, {})
    for limits in MACHINES:
        yield " ".join(f"{name}={value}" for name, value in limits.items())
        there = run(ids, limits)
        for name, record in sorted(here.items()):
            grown = " ".join(f"{value:.1e}" for value in growth(record, there[name]))
            yield f"  {name:32} {spread(record, there[name]):.1e}  {grown}"


if __name__ == "__main__":
    for line in table(sys.argv[1:]):
        print(line, flush=True)
