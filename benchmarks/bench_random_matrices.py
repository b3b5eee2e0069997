"""Singular values of products of Gaussian matrices: laws and sampled spectra."""

from time import process_time

import numpy as np
from mpmath import mp

from bnproof.simulate.random_matrices.laws import hard_edge, tracy_widom
from bnproof.simulate.random_matrices.laws.factor_kinds import Gaussian, mask
from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.simulate.random_matrices.laws.fuss_catalan_kernel import curve
from bnproof.simulate.random_matrices.laws.hard_edge import HardEdge
from bnproof.simulate.random_matrices.laws.products import ProductLaw
from bnproof.simulate.random_matrices.laws.tracy_widom import TracyWidom
from bnproof.simulate.random_matrices.spectra.sampling import sample_singular_values
from bnproof.simulate.random_matrices.spectra.singular_values import log_singular_values
from bnproof.theory.random_matrices import fuss_catalan as reference

timer = process_time  # used by asv; less affected by other processes than wall-clock time
SHARES = (
    *("1e-300", "1e-100", "1e-30", "1e-10", "1e-3", "0.1"),
    *("0.5", "0.9", "0.999999", "0.9999999999", "0.99999999999999"),
)
AROUND = (2 + 1j, -1.0, 1e-6 + 1e-9j, 100.0, 0.5 - 1e-12j)


class Law:
    """The Fuss-Catalan law at 1e5 points, float64, and its errors against mpmath with 60 digits."""

    params = ([1, 2, 64, 1000, 0.5],)
    param_names = ("M",)

    def setup(self, M: float) -> None:
        self.law = FussCatalan(M)
        self.x = np.random.default_rng(30).uniform(0, self.law.support()[1], 100_000)
        self.q = self.x / self.law.support()[1]
        self.z = self.x[:10_000] + 1j * self.q[-10_000:]
        self.law.cdf(1.0)  # builds the tables of initial guesses, once

    def time_pdf_cdf_and_sf(self, M: float) -> None:
        self.law.evaluate(self.x)

    def time_first_point(self, M: float) -> None:
        curve.cache_clear()
        FussCatalan(M).cdf(1.0)

    def time_quantiles(self, M: float) -> None:
        self.law.logppf(self.q)

    def time_draws(self, M: float) -> None:
        self.law.log_rvs(100_000, rng=31)

    def time_stieltjes(self, M: float) -> None:
        self.law.stieltjes(self.z)

    def peakmem_pdf_cdf_and_sf(self, M: float) -> None:
        self.law.evaluate(self.x)

    def track_worst_relative_error(self, M: float) -> float:
        """Worst relative error of pdf, cdf and sf from 1e-300 x_max to (1 - 1e-14) x_max."""
        end = reference.support(M)
        with mp.workdps(60):
            points = np.array([float(end * mp.mpf(share)) for share in SHARES])
        errors = []
        for name, values in self.law.evaluate(points)._asdict().items():
            exact = [getattr(reference, name)(x, M, 60) for x in points]
            with mp.workdps(60):
                pairs = zip(values, exact, strict=True)
                errors += [abs(mp.mpf(float(value)) / e - 1) for value, e in pairs]
        return float(max(errors))

    track_worst_relative_error.unit = "relative"

    def track_worst_error_of_stieltjes(self, M: float) -> float:
        """Worst relative error of the transform at several points of the complex plane."""
        values = self.law.stieltjes(np.array(AROUND) * self.law.support()[1])
        errors = []
        for z, value in zip(AROUND, values, strict=True):
            point = z * self.law.support()[1]
            exact = reference.stieltjes(mp.mpmathify(complex(point)), M, 25)
            errors.append(abs(mp.mpmathify(complex(value)) / exact - 1))
        return float(max(errors))

    track_worst_error_of_stieltjes.unit = "relative"


class Samplers:
    """One spectrum of a product of M factors, 500 x 500."""

    params = ([1, 2, 10], ["real", "complex"], ["auto", "dense"])
    param_names = ("M", "field", "method")

    def time_spectrum(self, M: int, field: str, method: str) -> None:
        sample_singular_values([500] * (M + 1), 1, field=field, method=method, seed=31)

    def peakmem_spectrum(self, M: int, field: str, method: str) -> None:
        sample_singular_values([500] * (M + 1), 1, field=field, method=method, seed=31)

    def track_distance_to_law(self, M: int, field: str, method: str) -> float:
        """Kolmogorov-Smirnov distance of the squared singular values from the limiting law."""
        values = sample_singular_values([500] * (M + 1), 1, field=field, method=method, seed=31)
        shares = FussCatalan(M).cdf(np.sort(values.numpy().ravel() ** 2))
        steps = np.arange(501) / 500
        return float(max((steps[1:] - shares).max(), (shares - steps[:-1]).max()))

    track_distance_to_law.unit = "distance"


class Products:
    """Limiting laws of a rectangular product and of one with ReLU masks, at 1e5 points."""

    params = (["rectangular", "ReLU"],)
    param_names = ("law",)

    def setup(self, law: str) -> None:
        relu = [Gaussian(), mask(0.5)] * 3
        rectangular = [Gaussian(2), Gaussian(0.25), Gaussian(3)]
        self.factors = relu if law == "ReLU" else rectangular
        self.law = ProductLaw(self.factors)
        self.x = np.random.default_rng(32).uniform(*self.law.support(), 100_000)
        self.law.cdf(1.0)  # builds the splines, once

    def time_pdf_and_cdf(self, law: str) -> None:
        self.law.pdf(self.x)
        self.law.cdf(self.x)

    def time_first_point(self, law: str) -> None:
        ProductLaw(self.factors).cdf(1.0)

    def time_stieltjes(self, law: str) -> None:
        self.law.stieltjes(self.x[:10_000] + 0.1j)


class SingularValues:
    """All singular values of a product of M given matrices, 60 x 60, to high relative accuracy."""

    params = ([1, 10, 100],)
    param_names = ("M",)

    def setup(self, M: int) -> None:
        rng = np.random.default_rng(33)
        self.factors = [rng.standard_normal((60, 60)) / 60**0.5 for _ in range(M)]

    def time_log_singular_values(self, M: int) -> None:
        log_singular_values(self.factors)

    def peakmem_log_singular_values(self, M: int) -> None:
        log_singular_values(self.factors)

    def track_error_of_the_determinant(self, M: int) -> float:
        """Relative error of the sum of logarithms, compared with the factors' determinants."""
        exact = sum(np.linalg.slogdet(factor)[1] for factor in self.factors)
        return float(abs(log_singular_values(self.factors).sum() / exact - 1))

    track_error_of_the_determinant.unit = "relative"


class Edges:
    """Laws of extreme singular values: time of the first value, time and error of many."""

    def setup(self) -> None:
        self.one, self.two, self.hard = TracyWidom(1), TracyWidom(2), HardEdge((0, 0))
        self.x = self.one.rvs(100_000, 40)
        self.p = np.random.default_rng(41).uniform(1e-12, 1, 100_000)
        self.s = np.geomspace(1e-3, 18, 200)
        self.hard.cdf(1.0)

    def time_tracy_widom_first_point(self) -> None:
        tracy_widom._interpolants.cache_clear()
        tracy_widom.painleve.cache_clear()
        TracyWidom(1).cdf(0.0)

    def time_hard_edge_first_point(self) -> None:
        hard_edge._interpolant.cache_clear()
        HardEdge((0, 0)).cdf(1.0)

    def time_tracy_widom_cdf(self) -> None:
        self.one.cdf(self.x)

    def time_tracy_widom_quantiles(self) -> None:
        self.one.ppf(self.p)

    def time_hard_edge_cdf(self) -> None:
        self.hard.cdf(np.exp(self.x))

    def track_tracy_widom_cdf_error(self) -> float:
        """Worst absolute error of F_1 compared with 80 quadrature nodes."""
        points = np.linspace(-4.0, 4.0, 9)
        exact = [tracy_widom.log_log_determinants(s, 80)[0] for s in points]
        return float(np.abs(self.one.cdf(points) - np.exp(-np.exp(exact))).max())

    def track_tracy_widom_mean_error(self) -> float:
        return abs(self.two.mean() + 1.771086807411)

    def track_hard_edge_error(self) -> float:
        """Worst absolute error compared with the exponential law of one square factor."""
        return float(np.abs(HardEdge((0,)).sf(self.s) - np.exp(-self.s)).max())
