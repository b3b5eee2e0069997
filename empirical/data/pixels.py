"""A data set in the memory of a device, and batches from it, cropped and reflected."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from bnproof.empirical.data.images import SIDE, Images

PAD: Final = 4  # pixels by which a crop may move (He et al. 2015, section 4.2)
PADDED: Final = SIDE + 2 * PAD


@dataclass(frozen=True)
class Crops:
    """Where images of many batches are cropped, and which of them are reflected.

    Attributes
    ----------
    corners
        int64 of shape (batches, b, 2): first row and first column in the padded image.
    mirrored
        bool of shape (batches, b, 1).
    """

    corners: Tensor
    mirrored: Tensor

    @classmethod
    def drawn(cls, count: int, draws: Sequence[torch.Generator]) -> "Crops":
        """Draw crops for batches of `count` images, one generator per batch."""
        parts = [
            (
                torch.randint(0, 2 * PAD + 1, (count, 2), generator=generator),
                torch.rand(count, 1, generator=generator) < 0.5,
            )
            for generator in draws
        ]
        corners, mirrored = zip(*parts, strict=True)
        return cls(torch.stack(corners), torch.stack(mirrored))

    def to(self, device: str) -> "Crops":
        """Copy to a device."""
        return Crops(uploaded(self.corners, device), uploaded(self.mirrored, device))

    def __getitem__(self, number: int) -> "Crops":
        """The crops of one batch."""
        return Crops(self.corners[number], self.mirrored[number])


def uploaded(values: Tensor, device: str) -> Tensor:
    """Copy from the CPU to a device, without waiting for a GPU."""
    if device.startswith("cuda"):
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


class Pixels:
    """A data set in the memory of a device, and batches from it."""

    def __init__(self, images: Images, device: str) -> None:
        mean, deviation = images.moments
        self.mean, self.deviation = mean.to(device), deviation.to(device)
        # Of the colours of a row of pixels, so that arithmetic runs along whole rows.
        self._row_mean, self._row_deviation = (
            moment.flatten().repeat(SIDE) for moment in (self.mean, self.deviation)
        )
        self.device = device
        # A pixel is one word of three colours and a 1 that tells it from padding, which must be 0
        # after standardisation.
        coloured = functional.pad(images.train.pixels, (0, 0, 0, 0, 0, 1), value=1)
        padded = functional.pad(coloured, (PAD,) * 4).permute(0, 2, 3, 1).contiguous()
        self._words = padded.view(torch.int32).flatten().to(device)
        self.labels = images.train.labels.to(device)
        self.along = torch.arange(SIDE).to(device)

    def plain(self, pixels: Tensor) -> Tensor:
        """Standardised float32 images from uint8 ones."""
        values = pixels.to(self.device).to(torch.float32, memory_format=torch.channels_last)
        return (values / 255 - self.mean) / self.deviation

    def train(self, rows: Tensor, crops: Crops | None) -> tuple[Tensor, Tensor]:
        """Training images `rows`, cropped and reflected if `crops` are given; all on the device."""
        if crops is None:
            y, x = (PAD + self.along)[None, :, None], (PAD + self.along)[None, None, :]
        else:
            across = torch.where(crops.mirrored, self.along.flip(0), self.along)
            y = (crops.corners[:, :1] + self.along)[:, :, None]
            x = (crops.corners[:, 1:] + across)[:, None, :]
        places = (rows[:, None, None] * PADDED + y) * PADDED + x
        pixels = self._words[places].view(torch.uint8).view(*places.shape, 4)
        colours = pixels[..., :3].float().view(len(rows), SIDE, 3 * SIDE)
        values = colours.div_(255).sub_(self._row_mean).div_(self._row_deviation)
        values = values.view(len(rows), SIDE, SIDE, 3)
        if crops is not None:
            values.mul_(pixels[..., 3:])
        return values.permute(0, 3, 1, 2), self.labels[rows]
