"""Memory budget: how many instances are measured at once.

`limited` sets the budget for a block of code; samplers call `chunk` to find how many instances
fit.  If memory runs out nevertheless, the check halves the budget and continues.  PyTorch is
imported on first use, as the scheduler reads `free` before it starts processes.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bnproof.theory.common.errors import UserError

DEFAULT: Final = 1 << 30
LEAST: Final = 1 << 25  # one network of 4096 samples and all its measurements
UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
MEMINFO: Final = Path("/proc/meminfo")
CGROUP: Final = Path("/sys/fs/cgroup")  # of a container, which sees it as the root
FIX: Final = 'give bytes with a suffix K, M, G or T, such as "512M" or "1.5G"'


@dataclass
class Budget:
    """Bytes that one batch of instances may take.

    Attributes
    ----------
    bytes
        The budget.
    each
        Bytes per instance in the last call of `chunk`.
    halvings
        How often a batch had to be halved.
    """

    bytes: int
    each: int = 1
    halvings: int = 0

    def halve(self, count: int) -> None:
        """Reduce the budget to at most half of `count` instances."""
        self.bytes = max(1, min(self.bytes, count // 2 * self.each))
        self.halvings += 1


_budget: ContextVar[Budget] = ContextVar("memory budget")


def parse(text: str) -> int:
    """Parse a size such as ``"1G"``, ``"512M"`` or ``"800000"``; suffixes are powers of 1024.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    UserError
        If the text is not a positive size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    size = int(float(match[1]) * UNITS[match[2].upper()]) if match else 0
    if size < 1:
        raise UserError(f"memory {text!r}: {FIX}")
    return size


def asked(text: str) -> int:
    """Parse a budget given by the user, which must suffice for one instance.

    Raises
    ------
    UserError
        If the text is not a size, or the size is below `LEAST`.
    """
    size = parse(text)
    if size < LEAST:
        raise UserError(f"memory {text!r}: too little for one network; give 32M or more")
    return size


def free(device: str = "cpu") -> int:
    """Bytes available on a GPU, or on this machine without swapping."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    if MEMINFO.exists():
        rows = dict(line.split(":", 1) for line in MEMINFO.read_text(encoding="ascii").splitlines())
        available = 1024 * int(rows["MemAvailable"].split()[0])
    else:
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([available, *_left_by_container()])


def _left_by_container() -> list[int]:
    """Bytes left under the limit of a container; its files look like the root's from inside."""
    try:
        most, used = (
            int((CGROUP / f"memory.{name}").read_text(encoding="ascii"))
            for name in ("max", "current")
        )
    except (OSError, ValueError):  # none, or "max"
        return []
    return [most - used]


def spoken(size: float) -> str:
    """Format bytes for display, such as ``"1.5 GiB"``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} TiB"


@contextmanager
def limited(size: int | None) -> Iterator[Budget]:
    """Set the budget in bytes within the context; None means `DEFAULT`.

    Raises
    ------
    UserError
        If it is not positive.
    """
    if size is not None and size < 1:
        raise UserError(f"memory {size}: {FIX}")
    budget = Budget(DEFAULT if size is None else size)
    token = _budget.set(budget)
    try:
        yield budget
    finally:
        _budget.reset(token)


def chunk(each: int, block: int = 1) -> int:
    """Return how many instances of `each` bytes fit into the budget: a multiple of `block`.

    Once memory has run out, parts of blocks are allowed, down to one instance.

    Raises
    ------
    UserError
        If not even one block fits into the budget.
    """
    budget = _budget.get(None) or Budget(DEFAULT)
    budget.each = each
    if budget.halvings:
        return max(1, budget.bytes // each)
    count = budget.bytes // each // block * block
    if count == 0:
        raise UserError(
            f"memory {spoken(budget.bytes)}: a block of {block} instances needs "
            f"{spoken(each * block)}; give --memory {_up(each * block)} or more"
        )
    return count


def _up(size: int) -> str:
    return f"{-(-size // UNITS['M'])}M"


def exhausted(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on a GPU or on the CPU."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # "not enough memory" or "can't allocate memory", by platform.
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
