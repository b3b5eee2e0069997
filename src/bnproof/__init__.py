"""Verify statements about batch normalisation by proof, simulation and experiment.

The public names are listed in ``__init__.pyi``, which type checkers read as well. Each is imported
on first use, so ``import bnproof`` loads neither SymPy nor PyTorch.

Examples
--------
>>> import bnproof
>>> float(bnproof.FussCatalan(2).mean())
1.0
"""

from typing import Any

import lazy_loader

_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version(__name__)
    return _public(name)
