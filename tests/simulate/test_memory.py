"""The memory budget: how it is read, what it changes (nothing but the chunks), and running out."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import sympy as sp
import torch

from bnproof.simulate import check, memory
from bnproof.simulate.samplers import autodiff as quantities
from bnproof.simulate.samplers import weights
from bnproof.simulate.samplers.closed_form import Closed
from bnproof.simulate.samplers.table import SAMPLERS
from bnproof.simulate.samplers.unit import Unit
from bnproof.theory.claim import RandomTest, Scale, Settings
from bnproof.theory.claims.gradient.santurkar_4_1 import CLAIM
from bnproof.theory.common.errors import UserError

EXACT = {"rtol": 1e-12, "atol": 1e-300}
DRAWN = ((7, 4, "cross-entropy", 1), (1, 4, "logistic", 1))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1G", 2**30),
        ("512M", 2**29),
        ("1.5g", 3 * 2**29),
        ("800", 800),
        ("64 KiB", 65536),
        ("2T", 2**41),
        ("3MB", 3 * 2**20),
    ],
)
def test_budgets_are_read_with_their_suffix(text: str, size: int) -> None:
    assert memory.parse(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "1X", "0", "0.0001", "1e9", "one"])
def test_other_text_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UserError, match="give bytes with a suffix") as caught:
        memory.parse(text)
    assert "\n" not in str(caught.value)


def test_sizes_are_spoken() -> None:
    assert [memory.spoken(n) for n in (1, 1536, 2**30, 3 * 2**40)] == [
        *("1 B", "1.5 KiB", "1 GiB", "3 TiB")
    ]


def test_chunks_are_whole_blocks_within_the_budget() -> None:
    with memory.limited(10_000):
        assert memory.chunk(10) == 1000
        assert memory.chunk(10, 64) == 960
        with pytest.raises(UserError, match=r"a block of 64 instances needs 62.5 KiB; .* 1M"):
            memory.chunk(1000, 64)
    assert memory.chunk(1) == memory.DEFAULT
    with pytest.raises(UserError, match="memory 0"), memory.limited(0):
        pass


def test_the_free_memory_is_some_of_what_there_is() -> None:
    assert 1 << 20 < memory.free() < 1 << 50


def test_a_container_leaves_less(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    whole = memory.free()
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free() > whole / 2
    (tmp_path / "memory.max").write_text("4000\n")
    assert memory.free() == 3000


COUNTS = ("instances", "share inside the domain", "violations", "control violations")


def test_the_budget_changes_neither_instances_nor_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of other sizes add up in another order: only the last bits may move."""
    monkeypatch.setitem(check.INSTANCES, Scale.SMOKE, 1000)
    monkeypatch.setattr(quantities, "SIZES", (64,))
    settings = (Settings(scale=Scale.SMOKE, memory=size) for size in (20 * 2**20, 2**30))
    small, large = (check.sample(CLAIM, s) for s in settings)
    assert torch.allclose(small.statement, large.statement, rtol=0, atol=1e-14)
    assert torch.allclose(small.control, large.control, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(("size", "said"), [(20 * 2**20, "20 MiB"), (None, "1 GiB")])
def test_the_evidence_says_which_budget_it_had(
    size: int | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(check.INSTANCES, Scale.SMOKE, 10)
    evidence = check.check(CLAIM, Settings(scale=Scale.SMOKE, memory=size))
    assert evidence.provenance["memory"] == said


def test_a_smaller_budget_makes_more_batches() -> None:
    spec = RandomTest(sizes=(64,))
    counts = []
    for size in (40 * 2**20, 2**30):
        with memory.limited(size):
            made = [len(q.y) for _, q in quantities.batches(spec, CLAIM.domain, 1000, 0, "cpu")]
        counts.append(len(made))
        assert sum(made) == 4000
        assert max(made) * 8 * 64 * quantities.VECTORS <= size
    assert counts[0] > counts[1]


def test_a_budget_below_one_block_says_what_is_needed() -> None:
    with pytest.raises(UserError, match=r"memory 1 KiB: a block of 64 .* give --memory 1M"):
        check.check(CLAIM, Settings(scale=Scale.SMOKE, memory=1024))


def test_batches_that_do_not_fit_are_halved(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A device on which no batch above 20 instances fits: the same numbers, and it is said."""
    monkeypatch.setattr(quantities, "SIZES", (2, 8))
    settings = Settings(scale=Scale.SMOKE)
    known = check.check(CLAIM, settings).numbers
    compare = check.compare

    def small(relation, measured, mask=None):
        if len(measured.y) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return compare(relation, measured, mask)

    monkeypatch.setattr(check, "compare", small)
    numbers = dict(check.check(CLAIM, settings).numbers)
    assert numbers["memory ran out, batches halved"] > 0
    assert {name: numbers[name] for name in COUNTS} == {name: known[name] for name in COUNTS}
    assert (
        "santurkar_4_1: out of memory with 40 instances at once; continuing with 20"
        in capsys.readouterr().err
    )


def test_one_instance_that_does_not_fit_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(check, "compare", never)
    with pytest.raises(torch.OutOfMemoryError):
        check.check(CLAIM, Settings(scale=Scale.SMOKE))


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(check, "compare", fails)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        check.check(CLAIM, Settings(scale=Scale.SMOKE))


@pytest.mark.parametrize(
    ("whole", "alone"),
    [
        (
            kind(quantities.draw(7, 4, "cross-entropy", 1)),
            kind(quantities.draw(1, 4, "logistic", 1)),
        )
        for kind in (quantities.Measured, Closed)
    ]
    + [
        (
            weights.problems(7, 8, "cross-entropy", 1, eps=(0.0, 0.5)),
            weights.problems(3, 4, "logistic", 1, eps=(0.0,)),
        )
    ],
    ids=lambda symbols: type(symbols).__name__,
)
def test_halves_are_the_whole(whole: Unit, alone: Unit) -> None:
    parts = whole.halves()
    assert parts is not None
    tolerance = {"rtol": 1e-7, "atol": 1e-12} if isinstance(whole, weights.Weighted) else EXACT
    for symbol in whole.VALUES:
        if whole.value(symbol).shape[0] == 7:
            both = torch.cat([part.value(symbol) for part in parts])
            assert torch.allclose(both, whole.value(symbol), **tolerance), symbol
    assert alone.halves() is None


def test_the_cpu_says_in_its_own_words_that_memory_ran_out() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert memory.exhausted(caught.value)
    assert not memory.exhausted(RuntimeError("shape mismatch"))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_sizes_that_are_stated_are_those_that_are_drawn(sampler: str) -> None:
    """Of samplers that state batch sizes; the others state what they draw by another name."""
    spec, module = RandomTest(sampler=sampler), import_module(SAMPLERS[sampler])
    with memory.limited(None):
        drawn = {size for size, _ in module.batches(spec, sp.true, 1, 0, "cpu")}
    stated = module.provenance(spec, sp.true)
    names = ("batch sizes", "group sizes", "numbers of examples", "numbers of points", "unknowns")
    for name in names:
        assert drawn == set(stated.get(name, drawn)), name


PEAK = """
import json, resource, sys
from bnproof.simulate import memory; from bnproof.simulate.samplers import autodiff as quantities
from bnproof.simulate.relation import compare
from bnproof.theory.claim import RandomTest
from bnproof.theory.claims.gradient.santurkar_4_1 import CLAIM
import torch

budget, total = int(sys.argv[1]), int(sys.argv[2])
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
start, count, worst = peak(), 0, 0.0
with memory.limited(budget):
    for _, q in quantities.batches(RandomTest(sizes=(8,)), CLAIM.domain, total // 4, 0, "cpu"):
        worst = max(worst, compare(CLAIM.relation, q).excess.max().item())
        count += len(q.y)
print(json.dumps({"count": count, "bytes": peak() - start, "worst": worst}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("total", [100_000, 1_000_000])
def test_memory_is_bounded_by_the_budget_and_not_by_the_count(total: int, root: Path) -> None:
    """A million networks within 256 MiB above what the libraries take."""
    pytest.importorskip("resource")
    budget = 256 * 2**20
    command = [sys.executable, "-c", PEAK, str(budget), str(total)]
    run = subprocess.run(
        command, cwd=root, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["count"] == total
    assert found["bytes"] < budget
    assert found["worst"] < 1e-14
