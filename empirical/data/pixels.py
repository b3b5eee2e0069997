"""A data set in the memory of a device, and batches from it, cropped and reflected."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from bnproof.empirical.data.images import SIDE, Images

PAD: Final = 4  # pixels by which a crop may move (He et al. 2015, section 4.2)


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
        self.device = device
        # Channels last, so that a gathered batch has the layout that is fastest for convolutions.
        padded = functional.pad(images.train.pixels, (PAD, PAD, PAD, PAD))
        self.padded = padded.permute(0, 2, 3, 1).contiguous().to(device)
        # Marks the padding, which must be 0 after standardisation.
        self.inside = functional.pad(torch.ones(SIDE, SIDE, dtype=torch.bool), (PAD,) * 4).to(
            device
        )
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
        values = self.padded[rows[:, None, None], y, x].permute(0, 3, 1, 2).float()
        values = (values / 255 - self.mean) / self.deviation
        if crops is not None:
            values = values * self.inside[y, x][:, None]
        return values, self.labels[rows]
