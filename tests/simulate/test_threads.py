"""Work on small matrices has one thread, whatever the process has before and afterwards."""

import importlib
from collections.abc import Iterator

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from torch import Tensor, nn

from bnproof.empirical import runner
from bnproof.simulate import check
from bnproof.simulate.layer_checks.measure import check_layer
from bnproof.simulate.random_matrices.laws.factor_kinds import Gaussian
from bnproof.simulate.random_matrices.spectra import sampling
from bnproof.simulate.random_matrices.studies import table
from bnproof.simulate.threads import one_thread
from bnproof.theory.claim import Settings
from bnproof.theory.claims.random_matrices import liu_density

STUDY = liu_density.CLAIM


class SeenError(Exception):
    """Raised in the place of the work; its arguments are the numbers of threads."""


def count() -> set[int]:
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert blas
    return {torch.get_num_threads(), *(pool["num_threads"] for pool in blas)}


def look(*_: object, **__: object) -> None:
    raise SeenError(count())


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    with threadpool_limits(3):
        yield
    torch.set_num_threads(before)


def test_a_library_that_is_loaded_later_does_not_matter() -> None:
    with one_thread():
        pass
    importlib.import_module("sklearn.cluster")  # brings an OpenMP of its own
    with one_thread():
        assert count() == {1}


def test_every_pool_has_one_thread_and_gets_its_own_back() -> None:
    assert count() == {3}
    with one_thread():
        assert count() == {1}
    assert count() == {3}


def test_threads_are_given_back_after_an_error() -> None:
    with pytest.raises(SeenError), one_thread():
        look()
    assert count() == {3}


class Looking(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        look()
        return x


@pytest.mark.parametrize(
    ("module", "inner", "work"),
    [
        (check, "sample", lambda: check.check(None, None)),
        (table, "_study", lambda: table.check(STUDY, Settings())),
        (runner, "measure", lambda: runner.check(None, Settings())),
        (sampling, "bidiagonal_values", lambda: sampling.sample_singular_values((3, 3), 1, seed=0)),
        (sampling, "_decompose", lambda: sampling.sample_product((Gaussian(),), 3, 1, seed=0)),
    ],
    ids=["random networks", "studies", "experiments of verify", "Gaussian products", "products"],
)
def test_work_on_small_matrices_has_one_thread(module, inner, work, monkeypatch) -> None:
    monkeypatch.setattr(module, inner, look)
    with pytest.raises(SeenError) as seen:
        work()
    assert seen.value.args == ({1},)


def test_layers_are_checked_with_one_thread(monkeypatch) -> None:
    monkeypatch.setattr("bnproof.simulate.layer_checks.measure._case", look)
    with pytest.raises(SeenError) as seen:
        check_layer(nn.BatchNorm1d(4))
    assert seen.value.args == ({1},)
