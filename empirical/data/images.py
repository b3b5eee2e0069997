"""Sets of 32x32 colour images, their standardisation, and random batches."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from bnproof.theory.common.errors import UserError

SIDE = 32
CLASSES = 10


class DataError(UserError):
    """Images cannot be loaded; the message is one line: the path, what was expected, the fix."""


def stream(seed: int, purpose: str) -> torch.Generator:
    """Return a CPU generator that depends only on `seed` and `purpose`.

    Different purposes never share random numbers, and the numbers do not depend on the device they
    are used on.
    """
    digest = sha256(f"{purpose} {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels.

    Attributes
    ----------
    pixels
        uint8 of shape (n, 3, 32, 32), red, green, blue.
    labels
        int64 of shape (n,), values 0 to 9.
    """

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Images:
    """A data set; `name` must accompany every number measured on it."""

    name: str
    train: Split
    test: Split

    @cached_property
    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel of the training images.

        float32 of shape (3, 1, 1), on the scale 0 to 1.  Computed from counts, which are exact: a
        sum of floats depends on the order of summation.
        """
        levels = torch.arange(256, dtype=torch.float64) / 255
        planes = self.train.pixels.transpose(0, 1).reshape(3, -1)
        share = torch.stack([torch.bincount(plane, minlength=256) for plane in planes]).double()
        share /= planes.shape[1]
        mean = share @ levels
        variance = (share * (levels - mean[:, None]) ** 2).sum(dim=1)
        return mean.float()[:, None, None], variance.sqrt().float()[:, None, None]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all pixels and labels; data sets with the same name may hold different images."""
        content = sha256()
        for split in (self.train, self.test):
            content.update(split.pixels.numpy().tobytes())
            content.update(split.labels.numpy().tobytes())
        return content.hexdigest()[:16]

    @property
    def config(self) -> dict[str, Any]:
        """What the numbers of a run on these images depend on."""
        return {
            "name": self.name,
            "train": len(self.train),
            "test": len(self.test),
            "sha256": self.fingerprint,
        }

    def shuffled(self, seed: int) -> "Images":
        """The same images with the training labels randomly permuted."""
        order = torch.randperm(len(self.train), generator=stream(seed, "shuffled labels"))
        train = Split(self.train.pixels, self.train.labels[order])
        return Images(f"{self.name}, labels shuffled", train, self.test)

    def standardise(self, pixels: Tensor) -> Tensor:
        """Return `pixels` as float32, standardised by the training set, channel by channel."""
        mean, deviation = self.moments
        return (pixels.float() / 255 - mean) / deviation


def batch(images: Images, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw `size` different training images.

    Returns
    -------
    inputs, labels
        Standardised float32 of shape (size, 3, 32, 32) and int64 of shape (size,), on the CPU;
        determined by `seed`.

    Raises
    ------
    DataError
        If the training set has fewer than `size` images, or `size` is not positive.
    """
    available = len(images.train)
    if not 1 <= size <= available:
        raise DataError(
            f"{images.name}: a batch of {size} was asked for; choose from 1 to the "
            f"{available} training images there are"
        )
    rows = torch.randperm(available, generator=stream(seed, "batch"))[:size]
    return images.standardise(images.train.pixels[rows]), images.train.labels[rows]
