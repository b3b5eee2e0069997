"""Matrices that are not stored as such: operators of convolutions, heads of attention layers.

The kernel of a convolution is one small matrix (out, in * height * width); the convolution itself
is a linear map of images.  With periodic borders the discrete Fourier transform splits that map
into one out x in matrix for each frequency, so that its singular values are known exactly
(H. Sedghi, V. Gupta and P. Long, ICLR 2019).  A stride of t adds up t frequencies of each axis,
whose matrices then stand side by side.  Networks usually pad with zeros, which makes a difference
at the borders.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Final, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from bnproof.simulate.random_matrices import Array
from bnproof.simulate.random_matrices.spectra.weights import Stored, kind_flaw
from bnproof.theory.common.errors import UserError

CHUNK: Final = 2**26  # bytes of the matrices that are decomposed at once
ROUNDING: Final = 4
MOST: Final = 2**27  # singular values of one operator
# Projections of attention by the ends of their names: what the rows hold, one head after another.
ROWS: Final = re.compile(r"(^|[._])(q|k|v|query|key|value)(_proj|_lin|_proj_weight)?(\.weight)?$")
COLUMNS: Final = re.compile(
    r"(^|[._])((o|out)_(proj|lin)(\.weight)?|attention\.output\.dense(\.weight)?|"
    r"attn\.(c_)?proj(\.weight)?|to_out\.0(\.weight)?|wo(\.weight)?)$"
)
FUSED: Final = re.compile(r"(^|[._])(in_proj_weight|(qkv|c_attn|Wqkv|query_key_value)(\.weight)?)$")


@dataclass(frozen=True)
class Operator(Stored):
    """A convolution as a map of periodic images.

    Attributes
    ----------
    image
        Size of its input along each axis.
    """

    image: tuple[int, ...] = ()

    def values(self, kernel: Tensor) -> tuple[Array, Array, tuple[int, int]]:
        """Singular values, their relative errors, and the shape (out, in) at each frequency.

        Raises
        ------
        UserError
            If the kernel does not fit the image.
        """
        axes = len(self.shape) - 2
        size = " x ".join(map(str, self.image))
        if axes != len(self.image):
            raise UserError(f"{self.name}: has {axes} axes besides channels, the image {size}")
        stride = self.stride or (1,) * axes
        if any(n % t for n, t in zip(self.image, stride, strict=True)):
            raise UserError(f"{self.name}: has the stride {stride}, which does not divide {size}")
        coarse = math.prod(self.image) // math.prod(stride)
        shape = self.shape[0] // self.groups, self.shape[1] * math.prod(stride)
        if coarse * self.groups * min(shape) > MOST:
            raise UserError(f"{self.name}: has more than {MOST} singular values on {size}")
        found = operator_singular_values(kernel, self.image, groups=self.groups, stride=stride)
        return *found, shape


def operator_singular_values(
    kernel: Tensor, image: Sequence[int], *, groups: int = 1, stride: Sequence[int] | None = None
) -> tuple[Array, Array]:
    """Singular values of a convolution of periodic images.

    Parameters
    ----------
    kernel
        Weight (out, in / groups, size, ...), real or complex.
    image
        Size of the input along each axis; a multiple of the stride.
    groups, stride
        As in PyTorch; the stride is 1 by default.

    Returns
    -------
    values, error : ndarray
        All singular values, descending, and estimates of their relative errors.  Values that are
        0 up to rounding are 0.

    Examples
    --------
    >>> import torch
    >>> sums = torch.ones(1, 1, 2, dtype=torch.float64)  # of neighbours on a ring of four
    >>> operator_singular_values(sums, [4])[0].round(6).tolist()
    [2.0, 1.414214, 1.414214, 0.0]
    """
    kernel = kernel.to(torch.complex128)
    stride = tuple(stride or (1,) * len(image))
    out, width = kernel.shape[0] // groups, kernel.shape[1]
    flat = kernel.reshape(groups * out * width, -1)
    taps = np.array(list(product(*(range(n) for n in kernel.shape[2:]))))
    coarse = [n // t for n, t in zip(image, stride, strict=True)]
    aliases = np.array(list(product(*(range(t) for t in stride)))) * coarse
    places = np.stack(np.unravel_index(np.arange(math.prod(coarse)), coarse), axis=-1)
    # Rounding of the sum over the kernel; a value below is 0 as far as is known.
    noise = ROUNDING * np.finfo(float).eps * len(aliases) ** 0.5
    noise *= float(torch.linalg.vector_norm(flat, dim=0).sum())
    step = max(1, CHUNK // (16 * len(flat) * len(aliases)))
    values = []
    for start in range(0, len(places), step):
        frequencies = places[start : start + step, None, :] + aliases  # (chunk, alias, axis)
        turns = (frequencies[..., None, :] * taps % image / image).sum(-1)
        phases = torch.from_numpy(np.exp(-2j * np.pi * turns)).to(kernel.device)
        blocks = torch.einsum("cat,nt->can", phases, flat) / len(aliases) ** 0.5
        blocks = blocks.reshape(*phases.shape[:2], groups, out, width)
        blocks = blocks.permute(0, 2, 3, 1, 4).reshape(-1, out, len(aliases) * width)
        found = torch.linalg.svdvals(blocks).cpu().numpy()
        values.append(found.ravel())
    every = np.sort(np.concatenate(values))[::-1]
    return np.where(every > noise, every, 0.0), noise / np.where(every > noise, every, np.inf)


def operators(items: Sequence[Stored], image: Sequence[int]) -> list[Stored]:
    """Each item, and after a convolution kernel its operator on images of that size.

    `image` has a size for each axis, or one for all.

    Raises
    ------
    UserError
        If there is no kernel.
    """
    found: list[Stored] = []
    for item in items:
        found.append(item)
        if len(item.shape) > 2:
            axes = len(item.shape) - 2
            sizes = tuple(image) if len(image) > 1 else tuple(image) * axes
            name = f"{item.name} on {'x'.join(map(str, sizes))}"
            found.append(Operator(name, item.shape, item.load, "", item.groups, item.stride, sizes))
    if len(found) == len(items):
        asked = ",".join(map(str, image))
        raise UserError(f"--image {asked}: no matrix is the kernel of a convolution; leave it out")
    return found


def heads(items: Sequence[Stored], count: int) -> list[Stored]:
    """Each item, and after a projection of an attention layer its heads, by its name.

    Rows of queries, keys and values, and columns of outputs, hold one head after another.  Where
    there are fewer rows of keys than of queries, heads of queries share those of keys.

    Raises
    ------
    UserError
        If no name is that of a projection, or heads do not divide it.
    """
    widths = {
        item.name[: match.start()]: item.shape[0] // count
        for item in items
        if (match := ROWS.search(item.name)) and match[2] in ("q", "query")
    }
    found: list[Stored] = []
    for item in items:
        found.append(item)
        if len(item.shape) != 2:
            continue
        if match := ROWS.search(item.name):
            width = None if match[2][0] == "q" else widths.get(item.name[: match.start()])
            found += _heads(item, 0, 0, item.shape[0], count, width=width)
        elif COLUMNS.search(item.name):
            found += _heads(item, 1, 0, item.shape[1], count)
        elif FUSED.search(item.name):
            axis = int(item.shape[1] > item.shape[0])
            third = item.shape[axis] // 3
            for k, part in enumerate("qkv"):
                found += _heads(item, axis, k * third, third, count, f"{part} ")
    if len(found) == len(items):
        raise UserError(
            f"--heads {count}: no matrix is named like a projection of attention, such as "
            "q_proj, out_proj or in_proj_weight; leave it out"
        )
    return found


def _heads(
    item: Stored,
    axis: int,
    start: int,
    length: int,
    count: int,
    part: str = "",
    *,
    width: int | None = None,
) -> Iterator[Stored]:
    """Slices of `length` rows or columns, for `count` heads or for all of a known width."""
    uneven = length % width if width else length % count
    if uneven or (part and 3 * length != item.shape[axis]):
        raise UserError(
            f"--heads {count}: does not divide {item.name}, of shape {tuple(item.shape)}; give the "
            "number of heads of queries"
        )
    width = width or length // count
    shape = (width, item.shape[1]) if axis == 0 else (item.shape[0], width)
    for head in range(length // width):

        def load(first: int = start + head * width) -> Tensor:
            return item.load().narrow(axis, first, width)

        yield replace(item, name=f"{item.name} {part}head {head}", shape=shape, load=load)


def of_module(module: nn.Module) -> list[Stored]:
    """The parameters of a module, in its order, with groups and strides of convolutions.

    A parametrised weight, such as one with weight normalisation, is the one that the layer uses.
    """
    found: list[Stored] = []
    known: set[int] = set()
    for path, layer in module.named_modules():
        if isinstance(layer, parametrize.ParametrizationList):
            continue
        tensors: dict[str, Tensor] = dict(layer.named_parameters(recurse=False))
        if parametrize.is_parametrized(layer):
            lists = cast("nn.ModuleDict", layer.parametrizations)
            tensors |= {name: cast("Any", getattr(layer, name)) for name in lists}
        for name, tensor in tensors.items():
            if id(tensor) in known:
                continue
            known.add(id(tensor))
            stored = Stored(
                f"{path}.{name}" if path else name,
                tuple(tensor.shape),
                tensor.detach,
                kind_flaw(tensor.dtype),
            )
            if isinstance(layer, nn.modules.conv._ConvNd) and name == "weight":
                stored = replace(stored, groups=layer.groups, stride=tuple(layer.stride))
            found.append(stored)
    return found
