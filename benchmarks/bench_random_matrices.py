"""Products of Gaussian matrices: the law of their singular values, and sampled spectra."""

import numpy as np
from mpmath import mp

from simulate.random_matrices.fuss_catalan import FussCatalan
from simulate.random_matrices.sampling import product_singular_values
from theory import fuss_catalan as reference

SHARES = ("1e-100", "1e-30", "1e-10", "1e-3", "0.1", "0.5", "0.9", "0.999999", "0.9999999999")


class RandomMatrices:
    """The law at 1e5 points against mpmath, and spectra of 250 x 250 matrices, float64."""

    params = ([1, 2, 8, 64],)
    param_names = ("M",)
    timeout = 120

    def setup(self, M: int) -> None:
        self.law = FussCatalan(M)
        self.x = np.random.default_rng(30).uniform(0, self.law.support()[1], 100_000)
        self.law.cdf(1.0)  # the splines of the first guess are built once

    def time_pdf_and_cdf(self, M: int) -> None:
        self.law.pdf(self.x)
        self.law.cdf(self.x)

    def time_first_point(self, M: int) -> None:
        FussCatalan(M).cdf(1.0)

    def time_ppf(self, M: int) -> None:
        self.law.ppf(self.x / self.law.support()[1])

    def time_spectrum(self, M: int) -> None:
        product_singular_values(M, 250, 1, seed=31)

    def peakmem_pdf_and_cdf(self, M: int) -> None:
        self.law.pdf(self.x)
        self.law.cdf(self.x)

    def track_worst_relative_error(self, M: int) -> float:
        """Worst relative error of pdf, cdf and sf from 1e-100 x_max to (1 - 1e-10) x_max."""
        end = reference.support(M)
        with mp.workdps(50):
            points = np.array([float(end * mp.mpf(share)) for share in SHARES])
        errors = []
        for name in ("pdf", "cdf", "sf"):
            exact = [getattr(reference, name)(x, M) for x in points]
            got = getattr(self.law, name)(points)
            with mp.workdps(30):
                errors += [abs(mp.mpf(float(g)) / e - 1) for g, e in zip(got, exact, strict=True)]
        return float(max(errors))

    track_worst_relative_error.unit = "relative"
