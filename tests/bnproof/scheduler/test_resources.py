"""Cores, memory and GPUs: what is counted, and what is refused."""

import os

import pytest

from bnproof.scheduler import resources
from bnproof.simulate import memory
from bnproof.theory.common.errors import UserError

GIB = resources.GIB


def test_a_container_has_its_share_of_the_cores(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(resources, "CPU_LIMIT", tmp_path / "cpu.max")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert resources.cores() == 16
    for limit, count in (("max 100000", 16), ("250000 100000", 2), ("50000 100000", 1)):
        (tmp_path / "cpu.max").write_text(f"{limit}\n")
        assert resources.cores() == count


@pytest.mark.parametrize(
    ("asked", "most", "cores", "free", "count"),
    [
        (None, 99, 4, 99, 4),
        (None, 3, 4, 99, 3),
        (None, 99, 4, 5, 2),  # two of 2 GiB
        (None, 99, 4, 1, 1),  # one, whatever comes of it
        (7, 99, 4, 99, 7),
        (7, 2, 4, 4, 2),  # five would have nothing to do
    ],
)
def test_how_many_processes(monkeypatch, asked, most, cores, free, count) -> None:
    monkeypatch.setattr(resources, "cores", lambda: cores)
    monkeypatch.setattr(memory, "free", lambda: free * GIB)
    assert resources.processes(asked, 2 * GIB, most) == count


def test_more_than_memory_holds_are_refused_with_the_number_that_fits(monkeypatch) -> None:
    monkeypatch.setattr(memory, "free", lambda: 7 * GIB)
    with pytest.raises(UserError, match=r"--jobs 5: .* 2 GiB and 7 GiB are free; give --jobs 3"):
        resources.processes(5, 2 * GIB, 99)


@pytest.mark.parametrize(
    ("share", "places"),
    [
        (1, ["0", "1", "3"]),
        (0.5, ["0", "1", "3", "0", "1", "3"]),
        (1 / 3, ["0", "1", "3"] * 3),
        (0.4, ["0", "1", "3"] * 2),
        (2, ["0,1"]),
        (3, ["0,1,3"]),
    ],
)
def test_every_gpu_has_one_job_before_any_has_two(share, places) -> None:
    assert resources.slots(["0", "1", "3"], share) == places


def test_more_gpus_than_there_are() -> None:
    with pytest.raises(UserError, match="--gpus-per-job 4: must be at most 3"):
        resources.slots(["0", "1", "3"], 4)


@pytest.mark.parametrize("share", [0, -1, 1.5, float("inf"), float("nan")])
def test_a_share_is_a_fraction_or_a_whole_number(share) -> None:
    with pytest.raises(UserError, match="must be a fraction of 1 or a whole number"):
        resources.check_share(share)


def test_gpus_by_number(monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert resources.gpus(None) == ["0", "1", "2"]
    assert resources.gpus("2, 0,2") == ["2", "0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-x,6")
    assert resources.gpus(None) == ["4", "GPU-x", "6"]
    assert resources.gpus("1") == ["GPU-x"]
    for listed in ("3", "-1", "a", "", "0,,1"):
        with pytest.raises(UserError, match=r"--gpus .* is not a GPU; must be 0 to 2"):
            resources.gpus(listed)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(UserError, match="this machine has no GPU"):
        resources.gpus("0")


def test_threads_of_the_environment_go_first(monkeypatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert resources.threads(3) == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert resources.threads(3) == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert resources.threads(3) == 3


def test_environments() -> None:
    one, other = resources.environments(2, 3, ["0", "1", "0"])
    assert one == dict.fromkeys(resources.THREADS, "3") | {"CUDA_VISIBLE_DEVICES": "0"}
    assert other["CUDA_VISIBLE_DEVICES"] == "1"
    assert resources.environments(1, 1, []) == [dict.fromkeys(resources.THREADS, "1")]


def test_large_pages_where_the_system_has_them(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    monkeypatch.setattr(resources, "LARGE_PAGES", tmp_path / "missing")
    resources.use_large_pages()
    assert "THP_MEM_ALLOC_ENABLE" not in os.environ
    monkeypatch.setattr(resources, "LARGE_PAGES", tmp_path)
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    resources.use_large_pages()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "0"
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE")
    resources.use_large_pages()
    assert os.environ.pop("THP_MEM_ALLOC_ENABLE") == "1"
