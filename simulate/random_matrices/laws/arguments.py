"""Arguments that the methods of several laws have: real numbers and sources of random numbers."""

from numbers import Real
from typing import Any

import numpy as np
import torch

Generator = np.random.Generator | np.random.RandomState | torch.Generator | int | None
Shape = int | tuple[int, ...] | None


def real(name: str, value: Any) -> float:
    """A finite number as a float.

    Raises
    ------
    TypeError
        If it is not a real number.
    ValueError
        If it is not finite.
    """
    if isinstance(value, bool) or not isinstance(value, Real | np.number):
        raise TypeError(f"{name} must be a real number, not {value!r}")
    if not np.isfinite(float(value)):
        raise ValueError(f"{name} must be finite, not {value!r}")
    return float(value)


def one_source(rng: Generator, random_state: Generator) -> Generator:
    """The source of random numbers under either name.

    Raises
    ------
    TypeError
        If both are given.
    """
    if rng is not None and random_state is not None:
        raise TypeError("give rng or random_state, not both")
    return rng if random_state is None else random_state


def numpy_source(
    rng: Generator, random_state: Generator = None
) -> np.random.Generator | np.random.RandomState:
    """A NumPy generator from either name.

    Raises
    ------
    TypeError
        If both are given, or a torch generator.
    """
    source = one_source(rng, random_state)
    if isinstance(source, torch.Generator):
        raise TypeError("a torch.Generator draws only from FussCatalan; give a NumPy one or a seed")
    # `default_rng` returns a generator as it is; not every version takes a RandomState.
    return source if isinstance(source, np.random.RandomState) else np.random.default_rng(source)
