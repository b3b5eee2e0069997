"""The sampler of whole layers: Hessians by another route, and the bound where it is attained."""

import pytest
import torch
from torch import Tensor
from torch.func import hessian

from bnproof.simulate.samplers.layer import Layer, draw
from bnproof.simulate.samplers.networks import EPSILONS
from bnproof.theory.layer.curvature import opX
from bnproof.theory.layer.layer_curvature import lamU, lamW

LOSSES = ("cross-entropy", "squared error", "non-convex")


def cut(layer: Layer, k: int) -> Layer:
    """Problem k alone, its loss evaluated through the batch."""

    def loss(z: Tensor) -> Tensor:
        whole = torch.cat([z if j == k else z.detach() * 0 for j in range(len(layer.X))])
        return layer.loss(whole)[k : k + 1]

    part = slice(k, k + 1)
    return Layer(
        layer.X[part],
        layer.W[part],
        layer.gamma[part],
        layer.beta[part],
        layer.eps[part],
        loss,
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_weight_hessian_agrees_with_forward_over_reverse(loss: str) -> None:
    layer = cut(draw(3, 5, loss, 1, EPSILONS), 1)
    direct = hessian(lambda W: layer.loss(layer.out(layer.X @ W)).sum())(layer.W)
    size = layer.W.numel()
    assert torch.allclose(layer.hess[0], direct.reshape(size, size), rtol=1e-9, atol=1e-11)


def test_units_of_a_layer_agree_with_single_units() -> None:
    """K_j(h) of each unit alone, by jacobians of the gradient of that unit."""
    layer = draw(4, 6, "squared error", 2, EPSILONS)
    g, start, h = layer.at_z[0], layer.out(layer.y).detach(), layer.h
    for k in range(4):
        for j in range(layer.y.shape[-1]):

            def unit(y: Tensor, k: int = k, j: int = j) -> Tensor:
                centred = y - y.mean()
                s = torch.sqrt((centred * centred).mean() + layer.eps[k, 0, 0])
                z = layer.gamma[k, 0, j] * centred / s + layer.beta[k, 0, j]
                return (g[k, :, j] * z + h[k] / 2 * (z - start[k, :, j]) ** 2).sum()

            top = torch.linalg.eigvalsh(hessian(unit)(layer.y[k, :, j])).max()
            assert torch.allclose(top, layer.tops[k, j], rtol=1e-9, atol=1e-11)


def test_the_bound_is_attained_by_a_multiple_of_the_identity() -> None:
    """X orthogonal and L = h|z|^2/2 + b'z: the weight Hessian is that of the worst unit."""
    generator = torch.Generator().manual_seed(3)
    m, units, scale = 6, 3, 2.5
    X = torch.linalg.qr(torch.randn(5, m, m, dtype=torch.float64, generator=generator))[0]
    W = torch.randn(5, m, units, dtype=torch.float64, generator=generator)
    b = torch.randn(5, m, units, dtype=torch.float64, generator=generator)
    ones = torch.ones(5, 1, units, dtype=torch.float64)

    def loss(z: Tensor) -> Tensor:
        return (scale * z * z / 2 + b * z).sum((1, 2))

    layer = Layer(X, W, 1.5 * ones, 0 * ones, 0 * ones[:, :, :1], loss)
    bound = layer.value(lamU) * layer.value(opX)
    assert torch.allclose(layer.value(lamW), bound, rtol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_bound_has_slack_on_random_layers(loss: str) -> None:
    layer = draw(50, 8, loss, 4, EPSILONS)
    ratio = layer.value(lamW) / (layer.value(lamU) * layer.value(opX))
    assert ratio.max() < 1
    assert ratio.min() > 0


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="batch size m >= 2"):
        draw(3, 1, "squared error", 0, EPSILONS)
