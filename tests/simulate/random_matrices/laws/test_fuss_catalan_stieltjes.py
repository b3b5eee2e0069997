"""The Stieltjes transform in float64: right branch everywhere, by mpmath and by quadrature."""

import numpy as np
import pytest
from mpmath import mp
from scipy import integrate

from bnproof.simulate.random_matrices.laws.fuss_catalan import FussCatalan
from bnproof.theory.random_matrices import fuss_catalan as reference


@pytest.mark.parametrize("factors", [1, 3, 10, 0.5])
def test_stieltjes_transform(factors: float) -> None:
    """All around the plane, close to the cut, close to both branch points, on the real axis."""
    law, source = FussCatalan(factors), np.random.default_rng(37)
    end = law.support()[1]
    turns = np.exp(1j * source.uniform(-np.pi, np.pi, 5))
    z = np.concatenate(
        [
            end * 10 ** source.uniform(-3, 3, 5) * turns,
            end * (1 + 10 ** source.uniform(-13, -1, 5) * turns),
            end * source.uniform(0, 1, 3) + 1j * 10 ** source.uniform(-12, -1, 3),
            end * source.uniform(0, 1, 3) - 1j * 10 ** source.uniform(-12, -1, 3),
            -end * 10 ** source.uniform(-3, 3, 3),
            end * (1 + 10 ** source.uniform(-10, 3, 3)),
            end * source.uniform(0, 1, 3),
        ]
    )
    for value, point in zip(law.stieltjes(z), z, strict=True):
        want = reference.stieltjes(mp.mpc(point.real, point.imag), factors, 20)
        assert abs(mp.mpc(value.real, value.imag) / want - 1) < 1e-12


def test_stieltjes_transform_is_the_mean_of_its_kernel() -> None:
    law = FussCatalan(2.7, 1.5)
    for z in (2 + 0.5j, -1.0 + 0j, 30.0 + 0j, 1 - 2j):
        parts = [
            integrate.quad(
                lambda w, p=part, z=z: float(
                    getattr(1 / (z - x), p) * law.pdf(x) * 3.7 * x / w
                    if (x := law.support()[1] * w**3.7)
                    else 0.0
                ),
                0, 1, epsabs=1e-12, epsrel=1e-11, limit=200,
            )[0]
            for part in ("real", "imag")
        ]  # fmt: skip
        assert law.stieltjes(z) == pytest.approx(complex(*parts), rel=1e-9)


def test_stieltjes_transform_on_the_cut_and_beyond() -> None:
    law = FussCatalan(3, 2.0)
    x = np.array([1e-3, 0.5, 7.0, 18.0])
    above = law.stieltjes(x)
    np.testing.assert_allclose(-above.imag / np.pi, law.pdf(x), rtol=1e-12)
    np.testing.assert_array_equal(law.stieltjes(np.conj(x + 0j)), above.conj())
    assert np.all(law.stieltjes([-1.0, 100.0]).imag == 0)
    np.testing.assert_array_equal(law.stieltjes([0.0, np.inf]), [-np.inf, 0])
    assert np.isnan(law.stieltjes(np.nan))
