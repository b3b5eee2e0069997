"""What this machine has for jobs: cores, free memory, GPUs."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bnproof.theory.common.errors import UserError

GIB: Final = 1 << 30
CPU_LIMIT: Final = Path("/sys/fs/cgroup/cpu.max")  # of a container
THREADS: Final = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def limit_threads(count: int) -> None:
    """Let libraries that are imported after this compute with so many threads.

    What the environment says goes first.  Two threads that share tiny matrices spend most of their
    time waiting for one another.
    """
    for name in THREADS:
        os.environ.setdefault(name, str(count))


def threads(count: int) -> int:
    """How many threads a job computes with: so many, unless the environment says otherwise."""
    told = os.environ.get(THREADS[0], "")
    return int(told) if told.isdecimal() and int(told) else count


def cores() -> int:
    """Cores that this process may use: its affinity, and its share if it is in a container."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    try:
        limit = CPU_LIMIT.read_text(encoding="ascii")
    except OSError:
        limit = ""
    quota, _, period = limit.strip().partition(" ")
    if quota.isdigit() and period.isdigit():
        count = min(count, max(1, int(quota) // int(period)))
    return count


def processes(asked: int | None, each: int, most: int) -> int:
    """How many processes to start.

    Parameters
    ----------
    asked
        By the user; None for a core each.
    each
        Bytes that one may take.
    most
        More would have nothing to do, or no GPU.

    Raises
    ------
    UserError
        If so many were asked for that memory does not hold them.
    """
    from bnproof.simulate import memory

    free = memory.free()
    fit = max(1, free // each)
    if asked is not None and min(asked, most) > fit:
        raise UserError(
            f"--jobs {asked}: a process may take {each / GIB:.2g} GiB and {free / GIB:.3g} GiB are "
            f"free, so {fit} fit; give --jobs {fit} or less"
        )
    return max(1, min(asked or cores(), fit, most))


def gpus(listed: str | None) -> list[str]:
    """The GPUs that may be used, as CUDA_VISIBLE_DEVICES names them.

    Parameters
    ----------
    listed
        Numbers from 0 on, with commas; all if None.

    Raises
    ------
    UserError
        If it is no such list, or a number is not that of a GPU.
    """
    import torch

    count = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = visible.split(",") if visible else [str(number) for number in range(count)]
    if listed is None:
        return names[:count]
    words = [word.strip() for word in listed.split(",")]
    for word in words:
        if not word.isdecimal() or int(word) >= count:
            there = f"the GPUs here are 0 to {count - 1}" if count else "there is no GPU here"
            raise UserError(f"--gpus {listed}: {word!r} is no GPU; {there}")
    return [names[int(word)] for word in dict.fromkeys(words)]


def check_share(share: float) -> None:
    """Refuse GPUs of a job that are neither a fraction of one nor a whole number of them.

    Raises
    ------
    UserError
        Naming the option.
    """
    if not (0 < share <= 1 or (share == share // 1 and 1 < share < float("inf"))):
        raise UserError(f"--gpus-per-job {share:g}: must be a fraction of 1, or a whole number")


def slots(devices: Sequence[str], share: float) -> list[str]:
    """The GPUs of each process that there is room for; every GPU has one before any has two.

    Parameters
    ----------
    share
        GPUs of a process, as `check_share` allows.

    Raises
    ------
    UserError
        If a process is to have more than there are.
    """
    each = math.ceil(share)
    if each > len(devices):
        raise UserError(f"--gpus-per-job {share:g}: {len(devices)} can be used")
    groups = [
        ",".join(devices[place : place + each]) for place in range(0, len(devices) - each + 1, each)
    ]
    return groups * (int(1 / share + 1e-9) or 1)


def environments(count: int, threads: int, places: Sequence[str]) -> list[dict[str, str]]:
    """What is set in each of `count` processes before anything is imported.

    Parameters
    ----------
    threads
        Of each process.
    places
        GPUs of each process (`slots`); none for the CPU.
    """
    common = dict.fromkeys(THREADS, str(threads))
    if not places:
        return [common] * count
    return [common | {"CUDA_VISIBLE_DEVICES": place} for place in places[:count]]


def device(name: str) -> str:
    """Return the concrete device, ``cpu`` or ``cuda``, for ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    UserError
        If a GPU is asked for and there is none.
    """
    import torch

    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UserError("device cuda: PyTorch finds no GPU here; use cpu or auto")
    return "cuda" if there and name != "cpu" else "cpu"
