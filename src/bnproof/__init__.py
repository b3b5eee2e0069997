"""Verify statements about batch normalisation by proof, simulation and experiment.

The public names are listed in ``__init__.pyi``, which type checkers read as well. Each is imported
on first use, so ``import bnproof`` loads neither SymPy nor PyTorch.

Examples
--------
>>> import bnproof
>>> float(bnproof.FussCatalan(2).mean())
1.0
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
