"""Statements about batch normalisation, proved, refuted or measured by machine.

The public names are listed in ``__init__.pyi``, which type checkers read too. Each is imported when
it is first used, so ``import bnproof`` loads neither SymPy nor PyTorch.

Examples
--------
>>> import bnproof
>>> float(bnproof.FussCatalan(2).mean())
1.0
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
