"""A convolution that is also fast on a CPU where images are small."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

TOGETHER: Final = 32  # images set side by side, if the batch can be divided so; else all of them


class Convolution(nn.Conv2d):
    """``nn.Conv2d``; on a CPU, small images with many channels are first set side by side.

    Kernels for CPUs run along the rows of an image.  With 512 channels of 2 x 2 pixels, forward and
    backward pass take several times as long as on wide images of the same pixels.  Columns of
    zeros between the images are their padding, so that the sums have the same terms.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, inner, height, width) to (b, outer, ...) as ``nn.Conv2d`` does."""
        if not (self._keeps_shape and x.dim() == 4 and self._small(x)):
            return super().forward(x)
        together = len(x) if len(x) % TOGETHER else TOGETHER
        return _apart(super().forward(_side_by_side(x, together)), together)

    @property
    def _keeps_shape(self) -> bool:
        """Whether it is a padded 3x3 convolution that maps images to images of the same shape."""
        return self.kernel_size == (3, 3) and self.stride == (1, 1) and self.padding == (1, 1)

    def _small(self, x: Tensor) -> bool:
        """Whether wide images are faster, by measurements with and without matrix instructions."""
        side, channels = (2, 256)
        if x.dtype == torch.bfloat16 and _matrix_instructions():
            side, channels = (4, 128)
        return x.device.type == "cpu" and x.shape[3] <= side and self.in_channels >= channels


def _matrix_instructions() -> bool:
    """Whether the processor multiplies matrices of bfloat16 by instructions (AMX)."""
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return supported is not None and bool(supported())


def _side_by_side(x: Tensor, together: int) -> Tensor:
    """(b, c, h, w) as (b/together, c, h, together (w + 1)), channels last."""
    padded = functional.pad(x, (0, 1))
    groups = padded.view(-1, together, *padded.shape[1:])  # n, together, c, h, w + 1
    return groups.permute(0, 3, 1, 4, 2).flatten(2, 3).permute(0, 3, 1, 2)


def _apart(y: Tensor, together: int) -> Tensor:
    """Invert `_side_by_side`."""
    count, channels, height, width = y.shape
    images = y.view(count, channels, height, together, width // together)[..., :-1]
    return images.permute(0, 3, 2, 4, 1).flatten(0, 1).contiguous().permute(0, 3, 1, 2)
