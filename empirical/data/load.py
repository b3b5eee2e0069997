"""Load images: the embedded `photos` and `digits`, or CIFAR-10 by name or from a folder."""

import os.path
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bnproof.empirical.data import cifar10
from bnproof.empirical.data.images import SIDE, DataError, Images, Split, batch, stream

__all__ = ["DataError", "Images", "Split", "batch", "load", "locate"]

# Colour photographs shipped with scikit-image and scikit-learn; nothing is downloaded.
# The other image of the motorcycle stereo pair is left out: it has almost the same pixels.
PHOTOGRAPHS = (
    ("skimage", "data/astronaut.png"),
    ("skimage", "data/chelsea.png"),
    ("skimage", "data/coffee.png"),
    ("skimage", "data/hubble_deep_field.jpg"),
    ("skimage", "data/ihc.png"),
    ("skimage", "data/motorcycle_left.png"),
    ("skimage", "data/retina.jpg"),
    ("skimage", "data/rocket.jpg"),
    ("sklearn", "datasets/images/china.jpg"),
    ("sklearn", "datasets/images/flower.jpg"),
)
CELL = 48  # pixels; patches overlap within a cell, but cells do not, so no test pixel is trained on
STRIDE = 8  # pixels between patches of a cell: 3 x 3 patches
CELLS_TRAIN = 43  # of the 54 cells of the smallest photograph
CELLS_TEST = 11
DIGITS_TRAIN = 1437  # of 1797


def load(data: str | Path | None = None, limit: int | None = None) -> Images:
    """Return a data set of images.

    Parameters
    ----------
    data
        Name or folder, see `locate`.
    limit
        Keep and decode only this many training and test images, chosen by a fixed permutation,
        since files may be sorted by class.  None keeps all; even then the first images cover all
        classes.  Images are standardised by the training images that are kept.

    Raises
    ------
    DataError
        In one line: the path, what was expected there, and the fix.

    Notes
    -----
    Recent data sets are cached: a second call with the same arguments costs nothing.
    """
    if limit is not None and limit < 1:
        raise DataError(f"limit is {limit}; it must be at least 1, or None for all images")
    return _load(locate(data), limit)


def locate(data: str | Path | None = None) -> str:
    """Return the name of an embedded data set, or the absolute path of the folder with the images.

    CIFAR-10 is downloaded here if need be, so that the processes which read it do not have to.

    Parameters
    ----------
    data
        ``"photos"`` or None: 32x32 patches of ten photographs, labelled by photograph;
        ``"digits"``: the handwritten digits of scikit-learn, enlarged; ``"cifar10"``: CIFAR-10,
        from the folder of `bnproof.empirical.data.cifar10.by_name`, unless the working directory
        has a folder of that name; else a folder or archive that holds CIFAR-10, see
        `bnproof.empirical.data.cifar10.read`.

    Raises
    ------
    DataError
        If `data` is not a valid path, or CIFAR-10 cannot be downloaded.
    """
    name = "photos" if data is None else str(data)
    if name in EMBEDDED:
        return name
    if name == cifar10.NAME and not os.path.lexists(name):
        return str(cifar10.by_name())
    try:
        return str(Path(name).expanduser().resolve())
    except (OSError, RuntimeError, ValueError) as error:
        # An unknown user, a NUL character, circular links.
        raise DataError(f"{name!r}: is not a path ({error}); name another folder") from None


@lru_cache(maxsize=4)
def _load(name: str, limit: int | None) -> Images:
    if name in EMBEDDED:
        images = EMBEDDED[name]()
        if (
            name == "photos" and limit is None
        ):  # sorted by class, but the first images must cover all
            limit = len(images.train)
        return Images(name, _keep(images.train, limit), _keep(images.test, limit))
    return cifar10.read(Path(name), limit)


def _keep(split: Split, limit: int | None) -> Split:
    if limit is None:
        return split
    rows = torch.randperm(len(split), generator=stream(0, "subset"))[:limit]
    return Split(split.pixels[rows], split.labels[rows])


def _digits() -> Images:
    """The 1797 digits of 8x8 pixels, enlarged 4x4 times, in three equal channels."""
    from sklearn.datasets import load_digits  # takes a second to import and is needed only here

    digits = load_digits()
    levels = torch.from_numpy(np.rint(digits.images * (255 / 16)).astype(np.uint8))
    pixels = levels.repeat_interleave(4, dim=1).repeat_interleave(4, dim=2)
    pixels = pixels[:, None].expand(-1, 3, -1, -1).contiguous()
    labels = torch.from_numpy(digits.target.astype(np.int64))
    rows = torch.randperm(len(labels), generator=stream(0, "digits"))
    train, test = rows[:DIGITS_TRAIN], rows[DIGITS_TRAIN:]
    return Images("digits", Split(pixels[train], labels[train]), Split(pixels[test], labels[test]))


def _photos() -> Images:
    """43 cells of each photograph for training and 11 others for testing, 9 patches per cell."""
    train, test = [], []
    for number, (package, path) in enumerate(PHOTOGRAPHS):
        cells = _cells(_photograph(package, path))
        order = torch.randperm(len(cells), generator=stream(number, "cells"))
        train.append(cells[order[:CELLS_TRAIN]].flatten(0, 1))
        test.append(cells[order[CELLS_TRAIN : CELLS_TRAIN + CELLS_TEST]].flatten(0, 1))
    return Images("photos", _labelled(train), _labelled(test))


def _photograph(package: str, path: str) -> torch.Tensor:
    """uint8 of shape (3, height, width)."""
    where = resources.files(package) / path
    try:
        with where.open("rb") as file, Image.open(file) as image:
            pixels = np.array(image.convert("RGB"))
    except OSError as error:
        raise DataError(
            f"{where}: expected a photograph that {package} ships ({type(error).__name__}); "
            f"reinstall {package}, or name a folder that holds CIFAR-10"
        ) from error
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _cells(photograph: torch.Tensor) -> torch.Tensor:
    """Cut into disjoint cells, and each cell into patches: (cells, patches, 3, 32, 32)."""
    cells = photograph.unfold(1, CELL, CELL).unfold(2, CELL, CELL)
    patches = cells.unfold(3, SIDE, STRIDE).unfold(4, SIDE, STRIDE)
    return patches.permute(1, 2, 3, 4, 0, 5, 6).flatten(2, 3).flatten(0, 1).contiguous()


def _labelled(pixels: list[torch.Tensor]) -> Split:
    labels = [torch.full((len(part),), number) for number, part in enumerate(pixels)]
    return Split(torch.cat(pixels), torch.cat(labels))


EMBEDDED = {"photos": _photos, "digits": _digits}
