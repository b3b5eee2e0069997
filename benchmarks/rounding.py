"""Measure the effect of rounding on the results of experiments.

    python benchmarks/rounding.py ID ...

The experiments are run at the smallest scale on this machine, and again with other vector
instructions, other kernels of oneDNN and OpenBLAS, and two threads, as on other machines.  Printed
are the largest difference of the measurements, relative to the largest entry of each quantity, and
that of the first losses of training, by update.  The tolerances in
``tests/bnproof/results/test_agreement.py`` are based on these numbers.
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
    """Run experiments in a new process; return their records by id."""
    words = ["-m", "bnproof", "experiment", "run", *ids, "--scale", "smoke", "--device", "cpu"]
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(
            [sys.executable, "-P", *words, "--out", out],
            env=os.environ | {"OMP_NUM_THREADS": "1"} | limits,
            stdout=subprocess.DEVNULL,
            check=False,  # verdicts at the smallest scale do not matter
        )
        records = map(published.read, Path(out).glob("results/*.json"))
        return {record["id"]: record for record in records}


def difference(a: published.Record, b: published.Record) -> float:
    """Return the largest difference of the measurements, relative to the largest entry of each."""
    plot_only = experiment_of(experiment(a["id"])).plot_only
    differences = [0.0]
    for net, rows in a["series"].items():
        for name in rows.keys() - plot_only:
            values = np.array(rows[name], dtype=float)
            change = np.abs(values - np.array(b["series"][net][name], dtype=float))
            differences.append(np.nanmax(change) / (np.nanmax(np.abs(values)) or 1.0))
    return max(differences)


def growth(a: published.Record, b: published.Record) -> list[float]:
    """Return the largest relative difference of the first losses, by update."""
    changes: list[list[float]] = []
    for run_a, run_b in zip(a["runs"], b["runs"], strict=True):
        losses = np.array([run_a["first losses"], run_b["first losses"]], dtype=float)
        changes.append(np.abs(np.diff(losses, axis=0)[0] / losses[0]).tolist())
    return [max(row) for row in zip_longest(*changes, fillvalue=0.0)]


def table(ids: list[str]) -> Iterator[str]:
    """Yield a line for each experiment and each simulated machine."""
    reference = run(ids, {})
    for limits in MACHINES:
        yield " ".join(f"{name}={value}" for name, value in limits.items())
        records = run(ids, limits)
        for name, record in sorted(reference.items()):
            by_update = " ".join(f"{value:.1e}" for value in growth(record, records[name]))
            yield f"  {name:32} {difference(record, records[name]):.1e}  {by_update}"


if __name__ == "__main__":
    for line in table(sys.argv[1:]):
        print(line, flush=True)
