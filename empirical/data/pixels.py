"""A data set in the memory of a device, and batches from it, cropped and reflected."""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from bnproof.empirical.data.images import SIDE, Images

PAD: Final = 4  # pixels by which a crop may move (He et al. 2015, section 4.2)


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

    def plain(self, pixels: Tensor) -> Tensor:
        """Standardised float32 images from uint8 ones."""
        values = pixels.to(self.device).to(torch.float32, memory_format=torch.channels_last)
        return (values / 255 - self.mean) / self.deviation

    def train(self, rows: Tensor, draws: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Training images `rows`, cropped and reflected at random if `draws` is given."""
        count = len(rows)
        corner = torch.full((count, 2), PAD)
        mirrored = torch.zeros(count, 1, dtype=torch.bool)
        if draws is not None:
            corner = torch.randint(0, 2 * PAD + 1, (count, 2), generator=draws)
            mirrored = torch.rand(count, 1, generator=draws) < 0.5
        along = torch.arange(SIDE)
        y = (corner[:, :1] + along)[:, :, None].to(self.device)
        across = torch.where(mirrored, along.flip(0), along)
        x = (corner[:, 1:] + across)[:, None, :].to(self.device)
        rows = rows.to(self.device)
        values = self.padded[rows[:, None, None], y, x].permute(0, 3, 1, 2).float()
        values = (values / 255 - self.mean) / self.deviation
        if draws is not None:
            values = values * self.inside[y, x][:, None]
        return values, self.labels[rows]
