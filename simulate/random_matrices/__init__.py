"""Products of Gaussian matrices: limit laws, sampled spectra, and studies that compare them."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Inexact = NDArray[np.float64 | np.complex128]
