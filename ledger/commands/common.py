"""What several commands ask of their options."""

import shlex
import sys
from pathlib import Path
from typing import Final

from theory.errors import UserError

OUT: Final = Path("bnproof-runs")  # where runs are kept unless a command is told otherwise


def checked_seed(seed: int) -> int:
    """Refuse a seed that NumPy or PyTorch would not take.

    Raises
    ------
    UserError
        If it is negative or beyond 32 bits.
    """
    if seed < 0:
        raise UserError(f"--seed {seed} is negative; give 0 or larger")
    if seed >= 2**32:
        raise UserError(f"--seed {seed} is too large; give at most {2**32 - 1}")
    return seed


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
        raise UserError("--device cuda: PyTorch finds no GPU here; use --device cpu or auto")
    return "cuda" if there and name != "cpu" else "cpu"


def threads() -> int:
    """Threads that PyTorch computes with."""
    import torch

    return torch.get_num_threads()


def command_line() -> str:
    """The command as it was typed."""
    return shlex.join(["bnproof", *sys.argv[1:]])
