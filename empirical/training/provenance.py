"""What the numbers of a run depend on besides its configuration: code, PyTorch and machine."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, Final

import torch

from bnproof.empirical.networks import table
from bnproof.empirical.training import callbacks
from bnproof.simulate.machine import features
from bnproof.theory.common.code import code_hash

LOOP: Final = "bnproof.empirical.training.loop"
TOGETHER: Final = "bnproof.empirical.training.together"  # another way to the same runs


def surroundings(device: str) -> dict[str, Any]:
    """Return the version of PyTorch, the kind of device and the properties of the machine."""
    return {
        "torch": torch.__version__,
        "device": device.partition(":")[0],
        "machine": features(device),
    }


def code_of_training(family: str, metrics: Sequence[str]) -> str:
    """Return the hash of the code that a training run uses.

    Parameters
    ----------
    family
        Family of its network.  The code of other families is not included.
    metrics
        Names of its callbacks.  The code of other callbacks is not included.

    Returns
    -------
    str
        16 hexadecimal digits, computed once per process.
    """
    return _hash(_modules(table.FAMILIES, [family]), _modules(callbacks.CALLBACKS, metrics))


def code_of(*names: str, skip: Mapping[str, Collection[str]] | None = None) -> str:
    """Return the hash of the code of loaded modules and of the `bnproof` modules they import.

    Code without a file, such as code typed at a prompt, gets a hash unique to this process, so that
    its measurements are never mistaken for those of other code.

    Parameters
    ----------
    names
        Full names of the modules.
    skip
        As for `bnproof.theory.common.code.reached`.
    """
    try:
        return code_hash(*names, within="bnproof", skip=skip)
    except ValueError:
        return _of_no_file(*names)


@cache
def _of_no_file(*names: str) -> str:
    """A hash for modules without a file, unique to this process."""
    del names
    return uuid.uuid4().hex


def _modules(registry: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    """Modules of the functions with these names; unknown names are rejected when they are used."""
    return tuple(sorted({registry[name].__module__ for name in names if name in registry}))


@cache
def _hash(families: tuple[str, ...], watches: tuple[str, ...]) -> str:
    others = set(_modules(table.FAMILIES, list(table.FAMILIES))) - set(families)
    unused = set(_modules(callbacks.CALLBACKS, list(callbacks.CALLBACKS))) - set(watches)
    return code_of(
        LOOP,
        TOGETHER,
        *families,
        *watches,
        skip={
            table.__name__: others,
            callbacks.__name__: unused,
            LOOP: () if watches else (callbacks.__name__,),
            __name__: (callbacks.__name__,),
        },
    )
