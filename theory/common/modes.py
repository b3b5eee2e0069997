"""How training computes: names of its options, apart from the vocabulary of claims.

The key of a training run holds the hash of the code it reaches, so that this module, unlike
`bnproof.theory.claim`, must not import or contain anything else.
"""

from typing import Literal

Precision = Literal["float32", "bfloat16"]
# In a fixed order and full float32, or as fast as the device can.
Mode = Literal["exact", "fast"]
