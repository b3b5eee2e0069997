"""How often Python looks for objects that only refer to each other."""

import gc


def collect_rarely() -> None:
    """Collect garbage a seventieth as often as by default, in the calling process.

    SymPy and PyTorch make many objects that stay: by default a short command spends a tenth of its
    time on looking through them.  Memory grows by a hundredth.
    """
    gc.set_threshold(50_000, 20, 50)
