"""A stated budget of memory: how many instances are measured at once.

`limited` sets the budget for the work inside it; a sampler asks `chunk` how many instances fit.
When memory runs out all the same, the check halves the budget and goes on.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

import torch

from bnproof.theory.common.errors import UserError

DEFAULT: Final = 1 << 30
LEAST: Final = 1 << 25  # one network of 4096 samples and all that is measured on it
UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
MEND: Final = 'give bytes with a suffix K, M, G or T, such as "512M" or "1.5G"'


@dataclass
class Budget:
    """Bytes that one batch of instances may take.

    Attributes
    ----------
    bytes
        The budget.
    each
        Bytes of one instance, as last asked for.
    halvings
        How often a batch had to be halved.
    """

    bytes: int
    each: int = 1
    halvings: int = 0

    def halve(self, count: int) -> None:
        """Go on with half of `count` instances at once, at most."""
        self.bytes = max(1, min(self.bytes, count // 2 * self.each))
        self.halvings += 1


_budget: ContextVar[Budget] = ContextVar("memory budget")


def parse(text: str) -> int:
    """Bytes from text such as ``"1G"``, ``"512M"`` or ``"800000"``; suffixes are powers of 1024.

    Raises
    ------
    UserError
        If it cannot be read or is not positive.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    size = int(float(found[1]) * UNITS[found[2].upper()]) if found else 0
    if size < 1:
        raise UserError(f"memory {text!r}: {MEND}")
    return size


def asked(text: str) -> int:
    """The budget that a user asks for: `parse`, and not less than one instance needs.

    Raises
    ------
    UserError
        As `parse`, or if it is below `LEAST`.
    """
    size = parse(text)
    if size < LEAST:
        raise UserError(f"memory {text!r}: too little for one network; give 32M or more")
    return size


def spoken(size: float) -> str:
    """Bytes for a reader, such as ``"1.5 GiB"``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} TiB"


@contextmanager
def limited(size: int | None) -> Iterator[Budget]:
    """Set the budget, in bytes, for the work inside; None is `DEFAULT`.

    Raises
    ------
    UserError
        If it is not positive.
    """
    if size is not None and size < 1:
        raise UserError(f"memory {size}: {MEND}")
    budget = Budget(DEFAULT if size is None else size)
    token = _budget.set(budget)
    try:
        yield budget
    finally:
        _budget.reset(token)


def chunk(each: int, block: int = 1) -> int:
    """How many instances of `each` bytes fit into the budget: a multiple of `block`, at least one.

    Raises
    ------
    UserError
        If not even one block fits into the stated budget.  Once memory has run out, parts of
        blocks are measured.
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
    """Whether an error says that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # "not enough memory" or "can't allocate memory", by platform.
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
