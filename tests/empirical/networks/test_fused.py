"""BN, shortcut and ReLU by loops in C: PyTorch's numbers and gradients, within rounding."""

import shutil

import pytest
import torch
from torch import nn

from bnproof.empirical.networks import fused as module
from bnproof.empirical.networks.fused import activated, fused, library
from bnproof.theory.common.errors import UserError

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, module.COMPILERS)), reason="no C compiler"
)
# Relative to the largest entry: sums of products in float32, one rounding in bfloat16.
TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 2**-8}


def layer(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
    return norm


def images(*shape: int, dtype: torch.dtype = torch.float32, **layout) -> torch.Tensor:
    layout = layout or {"memory_format": torch.channels_last}
    return (3 * torch.randn(shape) - 1).to(dtype).to(**layout).requires_grad_()


def taken(norm, x, shortcut, pool, weights):
    """Output, gradients and running statistics."""
    given = [x, *([] if shortcut is None else [shortcut]), norm.weight, norm.bias]
    z = activated(norm, x, None if shortcut is None else lambda: shortcut, pool=pool)
    gradients = torch.autograd.grad((z * weights).sum(), given)
    return [z.detach(), *gradients, norm.running_mean, norm.running_var, norm.num_batches_tracked]


def exactly(norm, x, shortcut, pool, weights):
    """The same by PyTorch in float64."""
    whole = layer(norm.num_features).double()
    whole.load_state_dict(norm.state_dict())
    double = [None if t is None else t.detach().double().requires_grad_() for t in (x, shortcut)]
    return taken(whole, *double, pool, weights.double())


@needs_compiler
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("kind", ["alone", "shortcut", "pool"])
@pytest.mark.parametrize(
    "shape", [(128, 16, 8, 8), (7, 32, 6, 4), (3, 64, 2, 2), (130, 192, 2, 4)], ids=str
)
def test_numbers_and_gradients_are_pytorchs(shape, kind, dtype) -> None:
    torch.manual_seed(0)
    norm, x = layer(shape[1]), images(*shape, dtype=dtype)
    shortcut = images(*shape, dtype=dtype) if kind == "shortcut" else None
    pool = kind == "pool"
    weights = torch.randn(shape if not pool else (*shape[:2], shape[2] // 2, shape[3] // 2))
    weights = weights.to(dtype)
    expected = exactly(norm, x, shortcut, pool, weights)
    with fused():
        found = taken(norm, x, shortcut, pool, weights)
    assert found[0].dtype == found[1].dtype == dtype
    for one, other in zip(found, expected, strict=True):
        error = (one.double() - other).abs().max() / other.abs().max()
        assert error < TOLERANCE[dtype]


@needs_compiler
def test_nothing_cancels_where_the_mean_is_large() -> None:
    torch.manual_seed(0)
    norm, x = layer(16), images(64, 16, 8, 8)
    with torch.no_grad():
        x += 1000
    weights = torch.randn(64, 16, 8, 8)
    expected = exactly(norm, x, None, False, weights)
    with fused():
        found = taken(norm, x, None, False, weights)
    for one, other in zip(found, expected, strict=True):
        assert (one.double() - other).abs().max() / other.abs().max() < 1e-3


@needs_compiler
@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_not_finite_stays_visible(value, pool) -> None:
    for dtype in TOLERANCE:
        norm, x = layer(16), images(4, 16, 4, 4, dtype=dtype)
        with torch.no_grad():
            x[1, 3, 0, 2] = value
        with fused():
            z = activated(norm, x, pool=pool)
        assert z[:, 3].isnan().all()
        assert torch.isfinite(z[:, :3]).all()


@needs_compiler
def test_another_layout_of_memory_gives_the_same() -> None:
    torch.manual_seed(0)
    norm, x = layer(16), images(8, 16, 4, 4)
    plain = x.detach().contiguous().requires_grad_()
    with fused():
        found = [torch.autograd.grad(activated(norm, t).square().sum(), t)[0] for t in (x, plain)]
    torch.testing.assert_close(*found, rtol=0, atol=0)


@needs_compiler
@pytest.mark.parametrize(
    ("change", "shape"),
    [
        (lambda norm: norm.eval(), (4, 16, 4, 4)),
        (lambda norm: norm.register_forward_hook(lambda *_: None), (4, 16, 4, 4)),
        (lambda norm: None, (4, 24, 4, 4)),
        (lambda norm: None, (1, 16, 1, 3)),
    ],
    ids=["evaluation", "observed", "24 channels", "3 pixels"],
)
def test_other_layers_are_pytorchs_to_the_last_digit(change, shape, monkeypatch) -> None:
    norm, x = layer(shape[1]), images(*shape)
    change(norm)
    monkeypatch.setattr(module, "_batch_norm", pytest.fail)
    with fused():
        inside = activated(norm, x)
    assert torch.equal(inside, activated(norm, x))


@needs_compiler
def test_nothing_changes_outside(monkeypatch) -> None:
    monkeypatch.setattr(module, "_batch_norm", pytest.fail)
    with fused():
        pass
    activated(layer(16), images(4, 16, 4, 4))


@pytest.fixture
def fresh():
    """No loops are compiled yet, and none of this test are kept."""
    library.cache_clear()
    yield
    library.cache_clear()


def test_without_a_compiler_one_line_says_so(fresh, monkeypatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(module, "COMPILERS", ("no-such-compiler",))
    with pytest.raises(UserError, match="needs a C compiler on a CPU, and there is none; install"):
        library()
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    with pytest.raises(UserError, match="CC names no-such-compiler, which is not there; install"):
        library()


def test_a_compiler_that_fails_is_one_line(fresh, monkeypatch, tmp_path) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'unknown option' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    with pytest.raises(UserError, match=r"cc cannot compile its loops \(unknown option\); set CC"):
        library()
