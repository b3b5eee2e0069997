"""The same verdicts and numbers again, on one device, whatever its number of threads.

Between devices sums are taken in another order.  `FAR` states what a number may differ by, over its
own size: the adversary climbs until it gains nothing, which multiplies a last digit.  Counts of
what the adversary tried and found depend on it and are left out.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from bnproof.report import document
from bnproof.results import published
from bnproof.simulate.samplers.base import least_squares
from bnproof.theory.common.checksum import checksum_matches, with_checksum

FAR = 1e-6
LAST = 1e-15  # the last bit of a LAPACK result can turn on how its memory lies: seen in one number
NEAR = 1e-12  # absolute: what is 0 up to rounding
ADVERSARY = ("adversary", "attack", "tight")
LEAST_SQUARES = "bjorck_condition_number_subspaces"
FEW = ("bn_jacobian", "santurkar_4_1", LEAST_SQUARES, "santurkar_4_5", "liu_density_squared")
RUN = "from bnproof.cli import main; main()"


def verified(folder: Path, *ids: str, threads: int = 1, shift: int = 0) -> list[dict[str, Any]]:
    """Records of a process of its own; `shift` bytes of environment move its memory."""
    words = ("verify", *ids, "--scale", "smoke", "--device", "cpu", "--report", str(folder))
    run = subprocess.run(
        [sys.executable, "-c", RUN, *words],
        env=os.environ | {"OMP_NUM_THREADS": str(threads), "SHIFT": "x" * shift},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return document.load(folder / document.NAME)["claims"]


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value with its name."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{name}/{key}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from leaves(item, f"{name}/{place}")
    else:
        yield name, value


def differences(one: list[dict[str, Any]], other: list[dict[str, Any]], far: float) -> list[str]:
    """What differs by more than `far`, in words."""
    found = []
    for before, after in zip(one, other, strict=True):
        if before["verdict"] != after["verdict"]:
            found.append(f"{before['id']}: {before['verdict']}, {after['verdict']}")
        for old, new in zip(before["evidence"], after["evidence"], strict=True):
            # In float32 a deep network at its initialisation multiplies what rounding differs by:
            # of experiments only the verdict is the same on another device.
            if far == FAR and old["kind"] == "experiment":
                continue
            values = dict(leaves(new["numbers"]))
            for name, value in leaves(old["numbers"]):
                seconds = "seconds" in name
                counted = far == FAR and any(word in name for word in ADVERSARY)
                if seconds or (counted and not isinstance(value, float)):
                    continue
                again = values[name]
                same = value == again
                if far and isinstance(value, float) and isinstance(again, float):
                    near = NEAR if far == FAR else 0.0
                    same = abs(value - again) <= far * max(abs(value), abs(again)) + near
                if not same:
                    found.append(f"{before['id']} {name}: {value!r}, {again!r}")
    return found


def test_a_difference_would_be_seen() -> None:
    def record(value: float, verdict: str = "proved") -> list[dict[str, Any]]:
        return [
            {
                "id": "x",
                "verdict": verdict,
                "evidence": [{"kind": "law", "numbers": {"a": [value]}}],
            }
        ]

    assert differences(record(1.0), record(1.0), 0) == []
    assert differences(record(1.0), record(1 + 1e-15), 0) == [f"x /a/0: 1.0, {1 + 1e-15!r}"]
    assert differences(record(1.0), record(1 + 1e-15), FAR) == []
    assert differences(record(1.0), record(1 + 1e-14), LAST)
    assert differences(record(1.0), record(1 + 1e-5), FAR)
    assert differences(record(1.0), record(1.0, "refuted"), FAR) == ["x: proved, refuted"]


def test_threads_change_nothing(tmp_path, bnproof, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    before, found = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            status, out, _ = bnproof("verify", LEAST_SQUARES, "--scale", "smoke", "--device", "cpu")
        finally:
            torch.set_num_threads(before)
        assert status == 0, out
        content = document.load(tmp_path / "bnproof-report" / document.NAME)
        assert content["environment"]["threads"] == 1
        found.append(content["claims"])
    assert differences(*found, 0) == []


@pytest.mark.slow
def test_verified_twice_and_with_two_threads(tmp_path) -> None:
    first = verified(tmp_path / "first", *FEW)
    assert differences(first, verified(tmp_path / "again", *FEW, shift=1000), 0) == []
    assert differences(first, verified(tmp_path / "two", *FEW, threads=2), 0) == []


@pytest.mark.slow
def test_every_claim_verified_twice_and_with_two_threads(tmp_path) -> None:
    first = verified(tmp_path / "first")
    assert differences(first, verified(tmp_path / "again", shift=1000), LAST) == []
    assert differences(first, verified(tmp_path / "two", threads=2), LAST) == []


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_gives_the_same_verdicts(tmp_path, bnproof) -> None:
    here = verified(tmp_path / "cpu", *FEW)
    words = ("verify", *FEW, "--scale", "smoke", "--device", "cuda", "--report", tmp_path / "gpu")
    assert bnproof(*words)[0] == 0
    there = document.load(tmp_path / "gpu" / document.NAME)["claims"]
    assert differences(here, there, FAR) == []


def test_least_squares_do_not_depend_on_what_was_in_memory(device) -> None:
    """Whatever integers lay where LAPACK's array of column indices comes to lie."""
    draws = torch.Generator().manual_seed(0)
    matrix = torch.randn(20, 9, 4, generator=draws, dtype=torch.float64).to(device)
    target = torch.randn(20, 9, generator=draws, dtype=torch.float64).to(device)
    found = []
    for fill in (0, 1, 2, 3, -1):
        junk = [torch.full((4,), fill, dtype=torch.int32) for _ in range(200)]
        del junk
        found.append(least_squares(matrix, target))
    assert all(torch.equal(found[0], other) for other in found)
    normal = matrix.mT @ (matrix @ found[0].unsqueeze(-1) - target.unsqueeze(-1))
    assert normal.abs().max().item() < 1e-12


# --- the lock -------------------------------------------------------------------------------------


def test_the_lock_names_what_has_a_part_in_a_number() -> None:
    lock = dict(line.split("==") for line in document.lock())
    for name in (*document.PACKAGES, "bnproof", "matplotlib", "pillow"):
        assert lock[name] == importlib.metadata.version(name)
    assert list(lock) == sorted(lock)
    assert not {"pytest", "ruff", "mypy", "hypothesis", "asv"} & set(lock)
    assert "markupsafe" in lock  # that jinja2 needs: bnproof does not name it


def test_it_stands_in_evidence_and_in_what_is_published() -> None:
    from bnproof.theory.claim import Settings

    assert document.document([], Settings(), "bnproof verify", 1)["lock"] == document.lock()


@pytest.mark.parametrize("locked", [True, False])
def test_records_without_a_lock_are_read_too(tmp_path, locked) -> None:
    source = sorted(published.FOLDER.glob("*.smoke.json"))[0]
    record = json.loads(source.read_text(encoding="utf-8"))
    del record["sha256"]
    record.pop("lock", None)
    if locked:
        record["lock"] = document.lock()
    path = published.write(with_checksum(record), tmp_path)
    read = published.read(path)
    assert checksum_matches(read)
    assert ("lock" in read) is locked
    path.write_text(path.read_text().replace('"quick"', '"paper"').replace('"smoke"', '"quick"'))
    with pytest.raises(ValueError, match="was changed after it was published"):
        published.read(path)


@pytest.mark.parametrize(
    "path", sorted(published.FOLDER.glob("*.json")), ids=lambda path: path.stem
)
def test_a_published_lock_is_complete(path) -> None:
    record = published.read(path)
    for name in document.PACKAGES:
        assert record["environment"][name]
        if "lock" in record:
            assert f"{name}=={record['environment'][name]}" in record["lock"]
