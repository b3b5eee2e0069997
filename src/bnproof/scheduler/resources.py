"""Resources of this machine: cores, free memory and GPUs."""

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
LARGE_PAGES: Final = Path("/sys/kernel/mm/transparent_hugepage")  # on Linux


def limit_threads(count: int) -> None:
    """Set the number of threads for libraries imported later, unless the environment sets it.

    Threads that share tiny matrices spend most of their time waiting for one another.
    """
    for name in THREADS:
        os.environ.setdefault(name, str(count))


def use_large_pages() -> None:
    """Let PyTorch, if imported later, request large pages of memory, where the system has them.

    Activations of a training step are too large for caches, and with pages of 4 KiB much time is
    spent looking up addresses.  The environment may set it otherwise.
    """
    if LARGE_PAGES.exists():
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def threads(count: int) -> int:
    """Return the number of threads per job: `count`, unless the environment sets it."""
    value = os.environ.get(THREADS[0], "")
    return int(value) if value.isdecimal() and int(value) else count


def cores() -> int:
    """Return the number of cores available to this process, also in a container."""
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


def processes(requested: int | None, memory: int, limit: int) -> int:
    """Return the number of processes to start.

    Parameters
    ----------
    requested
        Number requested by the user; None for one per core.
    memory
        Memory per process, in bytes.
    limit
        Maximum number that can be used.

    Raises
    ------
    UserError
        If the requested number does not fit into memory.
    """
    from bnproof.simulate.memory import free as free_memory

    free = free_memory()
    fit = max(1, free // memory)
    if requested is not None and min(requested, limit) > fit:
        raise UserError(
            f"--jobs {requested}: a job needs up to {memory / GIB:.2g} GiB and {free / GIB:.3g} "
            f"GiB are free; give --jobs {fit} or less"
        )
    return max(1, min(requested or cores(), fit, limit))


def gpus(numbers: str | None) -> list[str]:
    """Return the GPUs to use, in the notation of CUDA_VISIBLE_DEVICES.

    Parameters
    ----------
    numbers
        Comma-separated numbers, starting at 0; all GPUs if None.

    Raises
    ------
    UserError
        If a number is invalid.
    """
    import torch

    count = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = visible.split(",") if visible else [str(number) for number in range(count)]
    if numbers is None:
        return names[:count]
    words = [word.strip() for word in numbers.split(",")]
    for word in words:
        if not word.isdecimal() or int(word) >= count:
            allowed = f"must be 0 to {count - 1}" if count else "this machine has no GPU"
            raise UserError(f"--gpus {numbers}: {word!r} is not a GPU; {allowed}")
    return [names[int(word)] for word in dict.fromkeys(words)]


def check_share(share: float) -> None:
    """Check that the number of GPUs per job is a fraction of 1 or a whole number.

    Raises
    ------
    UserError
        If it is neither.
    """
    if not (0 < share <= 1 or (share == share // 1 and 1 < share < float("inf"))):
        raise UserError(f"--gpus-per-job {share:g}: must be a fraction of 1 or a whole number")


def slots(devices: Sequence[str], share: float) -> list[str]:
    """Return the GPUs of each process, for as many processes as fit.

    Shared GPUs are filled evenly: each has one process before any has two.

    Parameters
    ----------
    share
        GPUs per process; see `check_share`.

    Raises
    ------
    UserError
        If there are fewer GPUs than one process needs.
    """
    size = math.ceil(share)
    if size > len(devices):
        raise UserError(f"--gpus-per-job {share:g}: must be at most {len(devices)}")
    groups = [
        ",".join(devices[start : start + size]) for start in range(0, len(devices) - size + 1, size)
    ]
    return groups * (int(1 / share + 1e-9) or 1)


def environments(count: int, threads: int, slots: Sequence[str]) -> list[dict[str, str]]:
    """Return the environment variables of each of `count` processes.

    Parameters
    ----------
    threads
        Threads per process.
    slots
        GPUs of each process (see `slots`); empty for the CPU.
    """
    common = dict.fromkeys(THREADS, str(threads))
    if not slots:
        return [common] * count
    return [common | {"CUDA_VISIBLE_DEVICES": slot} for slot in slots[:count]]


def device(name: str) -> str:
    """Resolve ``auto``, ``cpu`` or ``cuda`` to ``cpu`` or ``cuda``.

    Raises
    ------
    UserError
        If a GPU is requested but not available.
    """
    import torch

    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UserError("--device cuda: PyTorch finds no GPU; use cpu or auto")
    return "cuda" if available and name != "cpu" else "cpu"
