"""One thread for small matrices: the rule for everything but the training of networks.

Threads that share a small matrix mostly wait for each other, by spinning, and a process that spins
on a busy machine stalls: one claim took 278 s in place of 4.  They also sum in an order that
depends on how many they are.  With one thread neither the time nor the numbers depend on the
machine's other work or on its number of cores.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import scipy.linalg  # noqa: F401  # loads SciPy's BLAS, which `_pools` must find
import torch
from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread in PyTorch, OpenMP and BLAS; afterwards with as many as before.

    Also a decorator.

    Examples
    --------
    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # of MKL too, which is hidden inside PyTorch's own library
    try:
        with _pools().limit(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)


@cache
def _pools() -> ThreadpoolController:
    """The thread pools of this process, listed once: listing takes 2 ms."""
    return ThreadpoolController()
