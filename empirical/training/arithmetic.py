"""How a GPU computes: in full float32 and a fixed order, or as fast as it can."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch


def exactly() -> AbstractContextManager[None]:
    """On a GPU: full float32 arithmetic instead of TF32, summed in a fixed order."""
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, deterministic=True, allow_tf32=False
    )
    return flags


@contextmanager
def fastest() -> Iterator[None]:
    """On a GPU: TF32, and the fastest algorithms of cuDNN, whose sums may vary between runs."""
    products = torch.backends.cuda.matmul
    before, products.allow_tf32 = products.allow_tf32, True
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True):
            yield
    finally:
        products.allow_tf32 = before
