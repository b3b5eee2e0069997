"""Memory that a training run frees is kept for its next step."""

import contextlib
import ctypes
from functools import cache
from typing import Final

# Options of mallopt in glibc's malloc.h.
M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
LARGEST: Final = 32 << 20  # bytes; larger blocks are always returned to the system
KEPT: Final = 1 << 30  # bytes of free memory


@cache
def keep_memory() -> bool:
    """Let the C library keep freed memory, and return whether it does.

    By default glibc returns large blocks to the system, which clears them page by page when they
    are needed again in the next step.  Other C libraries are left as they are.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # no glibc
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  # tells glibc from others
        options = ((M_MMAP_THRESHOLD, LARGEST), (M_TRIM_THRESHOLD, KEPT))
        return all(library.mallopt(*option) for option in options)
    return False
