"""Operators of convolutions against dense matrices, heads of attention, parameters of modules."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from bnproof.simulate.random_matrices.spectra.own_weights import Row, rows
from bnproof.simulate.random_matrices.spectra.parts import (
    heads,
    of_module,
    operator_singular_values,
    operators,
)
from bnproof.simulate.random_matrices.spectra.weights import Stored
from bnproof.theory.common.errors import UserError

CONVOLUTIONS = [nn.Conv1d, nn.Conv2d, nn.Conv3d]


def item(name: str, tensor: torch.Tensor) -> Stored:
    return Stored(name, tuple(tensor.shape), lambda: tensor)


def dense(kernel: torch.Tensor, image: tuple[int, ...], stride: int, groups: int) -> np.ndarray:
    """The matrix of PyTorch's convolution of images that are continued periodically."""
    axes = len(image)
    channels = kernel.shape[1] * groups
    basis = torch.eye(channels * math.prod(image), dtype=torch.float64)
    images = basis.reshape(-1, channels, *image)
    # Continued to the right, so that the first output begins at the first pixel.
    for axis, size in enumerate(kernel.shape[2:]):
        images = torch.cat([images, images.narrow(2 + axis, 0, size - 1)], dim=2 + axis)
    apply = (nn.functional.conv1d, nn.functional.conv2d, nn.functional.conv3d)[axes - 1]
    found = apply(images, kernel, stride=stride, groups=groups)
    return found.reshape(len(basis), -1).T.numpy()


@pytest.mark.parametrize(
    ("shape", "image", "stride", "groups"),
    [
        ((3, 2, 3), (8,), 1, 1),
        ((3, 2, 3, 3), (5, 4), 1, 1),
        ((4, 3, 3, 2), (6, 4), 2, 1),
        ((6, 2, 3, 3), (4, 4), 1, 3),
        ((4, 1, 2, 2), (4, 6), 2, 4),
        ((2, 3, 2, 2, 1), (3, 2, 4), 1, 1),
        ((2, 2, 3, 3), (9, 6), 3, 1),
    ],
)
def test_operators_against_dense_matrices(
    shape: tuple[int, ...], image: tuple[int, ...], stride: int, groups: int
) -> None:
    kernel = torch.from_numpy(np.random.default_rng(0).standard_normal(shape))
    values, error = operator_singular_values(
        kernel, image, groups=groups, stride=[stride] * len(image)
    )
    exact = np.linalg.svd(dense(kernel, image, stride, groups), compute_uv=False)
    np.testing.assert_allclose(values, exact[: len(values)], atol=1e-13)
    np.testing.assert_allclose(exact[len(values) :], 0, atol=1e-13)
    assert (error < 1e-10).all()


def test_values_that_are_0_up_to_rounding_are_0() -> None:
    kernel = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    values, _ = operator_singular_values(kernel, (6, 6))
    # The mean over three pixels is 0 at two of six frequencies of each axis.
    assert (values == 0).sum() == 36 - 4 * 4


def test_rows_of_operators() -> None:
    kernel = torch.from_numpy(np.random.default_rng(1).standard_normal((24, 24, 3, 3)))
    items = operators([item("c", kernel), item("fc", torch.eye(3))], [8])
    assert [found.name for found in items] == ["c", "c on 8x8", "fc"]
    huge = operators([item("c", kernel * 1e200)], [8, 8])[1]
    (_, row), (_, large) = rows([items[1], huge])
    assert isinstance(row, Row)
    assert isinstance(large, Row)
    assert row.kind == "operator"
    assert row.spectrum.logs.shape == (1, 64 * 24)
    # Independent entries: near the law at every frequency.
    assert row.spectrum.distances[0] < 0.03
    np.testing.assert_allclose(row.spectrum.logs, large.spectrum.logs, atol=1e-9)
    assert large.log_scale - row.log_scale == pytest.approx(200 * math.log(10))


def test_what_does_not_fit_the_image_is_left_out() -> None:
    line = item("line", torch.ones(2, 2, 3))
    strided = Stored("s", (2, 2, 3, 3), lambda: torch.ones(2, 2, 3, 3), stride=(2, 2))
    found = [row for _, row in rows(operators([line, strided], [5, 5]))]
    assert found[1] == "has 1 axes besides channels, the image 5 x 5"
    assert found[3] == "has the stride (2, 2), which does not divide 5 x 5"
    with pytest.raises(UserError, match="--image 5: no matrix is the kernel of a convolution"):
        operators([item("fc", torch.eye(3))], [5])


def test_heads_by_name() -> None:
    rng = np.random.default_rng(0)
    shapes = {
        "a.q_proj.weight": (12, 8),
        "a.k_proj.weight": (3, 8),  # one head, shared by those of the queries
        "a.o_proj.weight": (8, 12),
        "b.in_proj_weight": (24, 8),
        "h.0.attn.c_attn.weight": (8, 24),  # transposed, as in GPT-2
        "h.0.attn.c_proj.weight": (8, 8),
        "encoder.attention.self.query.weight": (8, 8),
        "mlp.c_proj.weight": (8, 8),
    }
    tensors = {name: torch.from_numpy(rng.standard_normal(shape)) for name, shape in shapes.items()}
    found = {x.name: x.matrix() for x in heads([item(name, x) for name, x in tensors.items()], 4)}
    assert sum("head" in name for name in found) == 4 + 1 + 4 + 12 + 12 + 4 + 4
    for name, matrix in {
        "a.q_proj.weight head 3": tensors["a.q_proj.weight"][9:],
        "a.o_proj.weight head 1": tensors["a.o_proj.weight"][:, 3:6],
        "b.in_proj_weight k head 0": tensors["b.in_proj_weight"][8:10],
        "h.0.attn.c_attn.weight v head 3": tensors["h.0.attn.c_attn.weight"][:, 22:],
        "encoder.attention.self.query.weight head 2": tensors[
            "encoder.attention.self.query.weight"
        ][4:6],
    }.items():
        assert torch.equal(found[name], matrix)
    assert not any(name.startswith("mlp.c_proj.weight head") for name in found)


def test_heads_that_do_not_fit() -> None:
    with pytest.raises(UserError, match=r"--heads 5: does not divide q_proj, of shape \(8, 8\)"):
        heads([item("q_proj", torch.eye(8))], 5)
    with pytest.raises(UserError, match="--heads 4: no matrix is named like a projection"):
        heads([item("fc", torch.eye(8))], 4)


def test_heads_of_a_module_compute_what_it_computes() -> None:
    """The slices are those of the module: with one head's values only, the output is its part."""
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(8, 4, bias=False, dtype=torch.float64)
    found = {x.name: x.matrix() for x in heads(of_module(layer), 4)}
    x = torch.randn(5, 1, 8, dtype=torch.float64)
    parts = []
    for head in range(4):
        q, k, v = (x[:, 0] @ found[f"in_proj_weight {part} head {head}"].T for part in "qkv")
        parts.append(
            torch.softmax(q @ k.T / 2**0.5, -1) @ v @ found[f"out_proj.weight head {head}"].T
        )
    torch.testing.assert_close(sum(parts), layer(x, x, x)[0][:, 0])


def test_parameters_of_a_module() -> None:
    torch.manual_seed(0)
    embedding = nn.Embedding(7, 4)
    tied = nn.Linear(4, 7, bias=False)
    tied.weight = embedding.weight
    net = nn.Sequential(
        embedding, weight_norm(nn.Linear(4, 4)), tied, nn.Conv2d(4, 8, 3, stride=2, groups=2)
    )
    found = {x.name: x for x in of_module(net)}
    assert list(found) == ["0.weight", "1.bias", "1.weight", "3.weight", "3.bias"]
    layer = net[1]
    assert isinstance(layer, nn.Linear)
    assert torch.equal(found["1.weight"].matrix(), layer.weight)
    assert (found["3.weight"].groups, found["3.weight"].stride) == (2, (2, 2))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_every_convolution_of_a_module(axes: int) -> None:
    net = CONVOLUTIONS[axes - 1](2, 3, 2, dtype=torch.float64)
    ((_, row),) = rows(operators(of_module(net)[:1], [3])[1:])
    assert isinstance(row, Row)
    exact = np.linalg.svd(dense(net.weight.detach(), (3,) * axes, 1, 1), compute_uv=False)
    np.testing.assert_allclose(np.exp(row.logs), exact[: len(row.logs)], atol=1e-12)
