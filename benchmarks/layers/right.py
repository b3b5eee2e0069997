"""Right normalisation layers: the families in public use, written anew.

None of them may be told that it has a fault.  Each entry of `RIGHT` is a factory of a layer that
is as its author wants it, among them layers that compute in float32, store gamma - 1, keep their
running statistics in an unusual way, or have eps elsewhere.
"""

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

C = 8  # channels or features


class _Affine(nn.Module):
    """Base of the layers: gamma and beta under the usual names."""

    def __init__(self, size: int = C, *, eps: float = 1e-5, bias: bool = True) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size)) if bias else None

    def affine(self, n: Tensor) -> Tensor:
        """Gamma and beta along the last axis."""
        return n * self.weight + (0 if self.bias is None else self.bias)


class _WithoutBias(_Affine):
    """Gamma only."""

    def __init__(self) -> None:
        super().__init__(bias=False)


class RMSNormFloat32(_WithoutBias):
    """As in Llama: the norm in float32, gamma in the input's type."""

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(torch.float32)
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(x.dtype)


class RMSNormGammaLast(_WithoutBias):
    """As in OLMo 2: gamma in float32 as well, the result in the input's type."""

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(torch.float32)
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return (self.weight * wide).to(x.dtype)


class RMSNormOffset(_Affine):
    """As in Gemma: stores gamma - 1."""

    def __init__(self) -> None:
        super().__init__(bias=False)
        nn.init.zeros_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return (wide * (1.0 + self.weight.float())).type_as(x)


class RMSNormVariance(nn.Module):
    """As in T5: only the mean square in float32, the quotient in the input's type."""

    def __init__(self, size: int = C, eps: float = 1e-6) -> None:
        super().__init__()
        self.variance_epsilon = eps
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        variance = x.to(torch.float32).pow(2).mean(-1, keepdim=True)
        x = x * torch.rsqrt(variance + self.variance_epsilon)
        if self.weight.dtype in (torch.float16, torch.bfloat16):
            x = x.to(self.weight.dtype)
        return self.weight * x


class RMSNormPlain(_Affine):
    """Step by step in the type of the input."""

    def forward(self, x: Tensor) -> Tensor:
        return self.affine(x / torch.sqrt(x.square().mean(-1, keepdim=True) + self.eps))


class RMSNormWithoutGain(nn.Module):
    """Without parameters."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, x.shape[-1:], eps=1e-6)


class RMSNormFloor(nn.Module):
    """Divides by the larger of root mean square and eps."""

    def __init__(self, size: int = C, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.g = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        rms = x.norm(dim=-1, keepdim=True) * x.shape[-1] ** -0.5
        return x / rms.clamp(min=self.eps) * self.g


class RMSNormOutside(nn.Module):
    """Adds eps to the root mean square; no attribute holds it."""

    def __init__(self, size: int = C) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x / (x.square().mean(-1, keepdim=True).sqrt() + 1e-5)


class LayerNormUnbiased(nn.Module):
    """As in a well-known tutorial: unbiased deviation, eps added to it."""

    def __init__(self, size: int = C, eps: float = 1e-6) -> None:
        super().__init__()
        self.a_2 = nn.Parameter(torch.ones(size))
        self.b_2 = nn.Parameter(torch.zeros(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        mean, std = x.mean(-1, keepdim=True), x.std(-1, keepdim=True)
        return self.a_2 * (x - mean) / (std + self.eps) + self.b_2


class LayerNormOutside(_Affine):
    """Biased deviation, eps added to it."""

    def forward(self, x: Tensor) -> Tensor:
        std = x.std(-1, keepdim=True, correction=0)
        return self.affine((x - x.mean(-1, keepdim=True)) / (std + self.eps))


class LayerNormFloat32(nn.LayerNorm):
    """As in CLIP: the input is widened, the output narrowed."""

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight.float(), self.bias.float()
        z = functional.layer_norm(x.float(), self.normalized_shape, weight, bias, self.eps)
        return z.type(x.dtype)


class LayerNormWithoutBias(nn.Module):
    """As in Cohere's models: no beta, in float32."""

    def __init__(self, size: int = C, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.variance_epsilon = eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(torch.float32)
        mean = wide.mean(-1, keepdim=True)
        variance = (wide - mean).pow(2).mean(-1, keepdim=True)
        wide = (wide - mean) * torch.rsqrt(variance + self.variance_epsilon)
        return (self.weight.to(torch.float32) * wide).to(x.dtype)


class LayerNormOffset(nn.LayerNorm):
    """As in Nemotron: PyTorch's class, but it stores gamma - 1."""

    def __init__(self) -> None:
        super().__init__(C)
        nn.init.zeros_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, self.normalized_shape, self.weight + 1, self.bias, self.eps)


class LayerNormPlain(_Affine):
    """Step by step in the type of the input."""

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        variance = centred.square().mean(-1, keepdim=True)
        return self.affine(centred / torch.sqrt(variance + self.eps))


class LayerNormFunctional(_Affine):
    """Calls PyTorch's fused kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)


class LayerNorm2dPermuted(nn.LayerNorm):
    """As in torchvision and timm: a LayerNorm over the channels of images."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        x = functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class LayerNorm2dPlain(nn.Module):
    """As in ConvNeXt and Segment Anything: over axis 1, step by step."""

    def __init__(self, size: int = C, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + self.eps)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class BatchNormPlain(_Affine):
    """Batch statistics only, step by step."""

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(0)
        return self.affine(centred / torch.sqrt(centred.square().mean(0) + self.eps))


class _Running(_Affine):
    """Batch normalisation with running statistics, for (batch, channels)."""

    momentum = 0.1

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(C))
        self.register_buffer("running_var", torch.ones(C))

    def update(self, mean: Tensor, variance: Tensor) -> None:
        """Change the running statistics."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            mean, variance = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.update(mean.detach(), x.detach().var(0, correction=1))
        else:
            mean, variance = self.running_mean, self.running_var
        return self.affine((x - mean) / torch.sqrt(variance + self.eps))


class BatchNormInPlace(_Running):
    """Changes its buffers in place."""

    def update(self, mean: Tensor, variance: Tensor) -> None:
        self.running_mean.mul_(1 - self.momentum).add_(self.momentum * mean)
        self.running_var.mul_(1 - self.momentum).add_(self.momentum * variance)


class BatchNormLerp(_Running):
    """Changes its buffers by interpolation."""

    def update(self, mean: Tensor, variance: Tensor) -> None:
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


class BatchNormReassigned(_Running):
    """Assigns new tensors to its buffers."""

    def update(self, mean: Tensor, variance: Tensor) -> None:
        self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
        self.running_var = (1 - self.momentum) * self.running_var + self.momentum * variance


class BatchNormKeras(_Running):
    """Keras's convention: momentum weighs the old value."""

    momentum = 0.99

    def update(self, mean: Tensor, variance: Tensor) -> None:
        self.running_mean.mul_(self.momentum).add_((1 - self.momentum) * mean)
        self.running_var.mul_(self.momentum).add_((1 - self.momentum) * variance)


class BatchNormMoving(nn.Module):
    """As in a well-known course: other names, and moving statistics that are plain tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, C))
        self.beta = nn.Parameter(torch.zeros(1, C))
        self.moving_mean = torch.zeros(1, C)
        self.moving_var = torch.ones(1, C)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            hat = (x - self.moving_mean) / torch.sqrt(self.moving_var + 1e-5)
        else:
            mean = x.mean(0, keepdim=True)
            variance = ((x - mean) ** 2).mean(0, keepdim=True)
            hat = (x - mean) / torch.sqrt(variance + 1e-5)
            self.moving_mean = (0.9 * self.moving_mean + 0.1 * mean).detach()
            self.moving_var = (0.9 * self.moving_var + 0.1 * variance).detach()
        return self.gamma * hat + self.beta


class BatchNormFunctional(_Running):
    """Calls PyTorch's fused kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training,
            self.momentum, self.eps,
        )  # fmt: skip


class BatchNorm2dPlain(nn.Module):
    """For images, with parameters under unusual names."""

    def __init__(self) -> None:
        super().__init__()
        self.multiplier = nn.Parameter(torch.ones(C))
        self.addend = nn.Parameter(torch.zeros(C))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((0, 2, 3), keepdim=True)
        variance = x.var((0, 2, 3), keepdim=True, correction=0)
        hat = (x - mean) / torch.sqrt(variance + 1e-5)
        return self.multiplier[:, None, None] * hat + self.addend[:, None, None]


class _BatchFunction(torch.autograd.Function):
    """Batch normalisation with its backward pass written by hand."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
        mean = x.mean(0)
        s = torch.sqrt(x.var(0, correction=0) + eps)
        hat = (x - mean) / s
        ctx.save_for_backward(hat, s, gamma)
        return gamma * hat + beta

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Any:
        hat, s, gamma = ctx.saved_tensors
        v = gamma / s * (g - g.mean(0) - hat * (g * hat).mean(0))
        return v, (g * hat).sum(0), g.sum(0), None


class BatchNormFunction(_Affine):
    """Through an `autograd.Function`."""

    def forward(self, x: Tensor) -> Tensor:
        return _BatchFunction.apply(x, self.weight, self.bias, self.eps)


class GroupNormPlain(_Affine):
    """In two groups, step by step."""

    def forward(self, x: Tensor) -> Tensor:
        parts = x.reshape(len(x), 2, -1)
        mean = parts.mean(-1, keepdim=True)
        variance = parts.var(-1, keepdim=True, correction=0)
        hat = ((parts - mean) / torch.sqrt(variance + self.eps)).reshape(x.shape)
        return hat * self.weight[:, None, None] + self.bias[:, None, None]


class GroupNormOne(nn.GroupNorm):
    """As in PoolFormer: one group."""

    def __init__(self) -> None:
        super().__init__(1, C)


class InstanceNormPlain(_Affine):
    """Step by step."""

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        variance = x.var((2, 3), keepdim=True, correction=0)
        hat = (x - mean) / torch.sqrt(variance + self.eps)
        return hat * self.weight[:, None, None] + self.bias[:, None, None]


RIGHT: Final[dict[str, Callable[[], nn.Module]]] = {
    "BatchNorm1d": lambda: nn.BatchNorm1d(C),
    "BatchNorm1d without parameters": lambda: nn.BatchNorm1d(C, affine=False),
    "BatchNorm1d without running statistics": lambda: nn.BatchNorm1d(C, track_running_stats=False),
    "BatchNorm1d, cumulative average": lambda: nn.BatchNorm1d(C, momentum=None),
    "BatchNorm2d": lambda: nn.BatchNorm2d(C),
    "BatchNorm3d": lambda: nn.BatchNorm3d(C),
    "LayerNorm": lambda: nn.LayerNorm(C),
    "LayerNorm without bias": lambda: nn.LayerNorm(C, bias=False),
    "LayerNorm over two axes": lambda: nn.LayerNorm((3, C)),
    "GroupNorm": lambda: nn.GroupNorm(2, C),
    "InstanceNorm1d": lambda: nn.InstanceNorm1d(C, affine=True),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(C),
    "InstanceNorm2d, running": lambda: nn.InstanceNorm2d(C, affine=True, track_running_stats=True),
    "RMSNorm": lambda: nn.RMSNorm(C, eps=1e-5),
    "RMSNorm, eps None": lambda: nn.RMSNorm(C),
    **{
        made.__name__: made
        for made in (
            *(RMSNormFloat32, RMSNormGammaLast, RMSNormOffset, RMSNormVariance, RMSNormPlain),
            *(RMSNormWithoutGain, RMSNormFloor, RMSNormOutside),
            *(LayerNormUnbiased, LayerNormOutside, LayerNormWithoutBias, LayerNormOffset),
            *(LayerNormPlain, LayerNormFunctional, LayerNorm2dPlain, BatchNormPlain),
            *(BatchNormInPlace, BatchNormLerp, BatchNormReassigned, BatchNormKeras),
            *(BatchNormMoving, BatchNormFunctional, BatchNorm2dPlain, BatchNormFunction),
            *(GroupNormPlain, GroupNormOne, InstanceNormPlain),
        )
    },
    "LayerNormFloat32": lambda: LayerNormFloat32(C),
    "LayerNorm2dPermuted": lambda: LayerNorm2dPermuted(C),
}
