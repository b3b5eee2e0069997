"""Measure how long training takes on one core, and write the table that estimates are made from.

    python benchmarks/training_cost.py [--out FILE]

Every network that an experiment trains at any scale, or in a variant, takes updates on batches of
the embedded photographs, in both precisions; times are CPU seconds of one thread, which other
processes hardly affect.  An interrupted measurement is continued on the same day.
`bnproof.empirical.training.cost` reads the table.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from bnproof.catalogue import experiments
from bnproof.empirical.data.load import load
from bnproof.empirical.experiment import experiment_of
from bnproof.empirical.plan import training_runs
from bnproof.empirical.protocols.dln import DATA
from bnproof.empirical.training.callbacks import CALLBACKS
from bnproof.empirical.training.config import TrainingConfig
from bnproof.empirical.training.cost import AGAIN, TABLE, key
from bnproof.empirical.training.loop import Trainer
from bnproof.empirical.trial import NO_VARIANT
from bnproof.simulate.machine import features
from bnproof.simulate.threads import one_thread
from bnproof.theory.claim import Scale
from bnproof.theory.common.commit import commit
from bnproof.theory.common.files import write_text
from bnproof.theory.common.modes import Precision

BATCH = 128
SMALL = 8  # the time of an update is linear in between
LEAST = 0.2  # seconds to measure, in two or more repetitions
DIGITS = 4


def asked() -> dict[str, TrainingConfig]:
    """A training run of each network, by its name in the table; in variants only BN and none."""
    runs: dict[str, TrainingConfig] = {}
    for claim in experiments():
        spec = experiment_of(claim)
        for scale in Scale if spec.trains else ():
            more = spec.variants.values() if scale is Scale.LONG else ()
            for variant in (NO_VARIANT, *more):
                for run in training_runs(spec, scale, variant=variant):
                    if variant is NO_VARIANT or run.network["norm"] in ("batch", "none"):
                        runs.setdefault(key(run.network), run)
    return dict(sorted(runs.items()))


def seconds(work: Callable[[], Any]) -> float:
    """CPU seconds that `work` takes, after it was done once."""
    work()
    times: list[float] = []
    while sum(times) < LEAST or len(times) < 2:
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


def trainer(run: TrainingConfig, precision: Precision, batch: int = BATCH) -> Trainer:
    """A trainer that can take updates without end; a linear map needs all samples in a batch."""
    linear = run.network["family"] == "linear"
    data = DATA if linear else load("photos")
    return Trainer(
        replace(
            run,
            steps=10**6,
            every=10**6,
            rate=1e-6,  # nothing diverges
            batch=DATA.samples if linear else batch,
            precision=precision,
            limit=float("inf"),
            metrics=(),
        ),
        data,
    )


def rates(run: TrainingConfig) -> dict[str, dict[str, float]]:
    """Images a second in each precision and for each size of the batch."""
    found: dict[str, dict[str, float]] = {}
    for precision in get_args(Precision):
        found[precision] = {}
        for batch in (SMALL, BATCH):
            working = trainer(run, precision, batch)
            size = working.training_config.batch
            found[precision][str(size)] = _rounded(size / seconds(working.update))
    return found


def metrics(runs: dict[str, TrainingConfig]) -> Iterator[tuple[str, dict[str, float]]]:
    """The time of each metric over that of an update, by family."""
    examples = {"vgg": {"norm": "batch", "width": 16}, "linear": {"norm": "batch", "depth": 25}}
    for family, options in examples.items():
        working = trainer(runs[key({"family": family, **options})], "float32")
        update, found = seconds(working.update), {}
        for name in CALLBACKS.keys() - set(AGAIN):
            look = CALLBACKS[name]
            now = replace(working.now(), step=100)  # everything is measured at this step
            with suppress(TypeError, ValueError, RuntimeError, AssertionError, KeyError):
                found[name] = _rounded(seconds(lambda look=look, now=now: look(now)) / update)
        yield family, found


def forward(runs: dict[str, TrainingConfig]) -> float:
    """The time of a forward pass over that of an update, both for an image."""
    working = trainer(runs[key({"family": "vgg", "norm": "batch", "width": 16})], "float32")
    update = seconds(working.update)
    tested = working.training_config.tested
    images = min(tested, len(load("photos").train)) + min(tested, len(load("photos").test))
    return _rounded(seconds(working.evaluate) / images * BATCH / update)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def main() -> None:
    """Measure everything and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=TABLE)
    out = parser.parse_args().out
    runs = asked()
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "torch": torch.__version__,
        **features("cpu"),
        "threads": 1,
    }
    kept = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    same = all(kept.get(name) == value for name, value in about.items())
    networks = kept["networks"] if same else {}
    with one_thread():
        for name, run in runs.items():
            if name not in networks:
                networks[name] = rates(run)
                print(f"{len(networks)} of {len(runs)}: {name}", file=sys.stderr)
                _write(out, kept | about | {"networks": networks})
        content = about | {"networks": networks, "forward": forward(runs)}
        _write(out, content | {"metrics": dict(metrics(runs))})


def _write(out: Path, content: dict[str, Any]) -> None:
    write_text(out, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
