"""The module under test: copies of it, called with any parameters, never the module itself."""

import copy
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bnproof.simulate.layer_checks.results import reason
from bnproof.theory.common.errors import UserError

GAINS = ("weight", "gamma", "scale", "gain", "g", "w", "a_2")
BIASES = ("bias", "beta", "shift", "offset", "b", "b_2")


class ModuleUnderTest:
    """A copy of a module in one precision and mode, as a function of input and parameters.

    Its buffers are cloned for each call: what a call writes into them is returned, and forgotten.
    """

    def __init__(self, module: nn.Module, device: str, dtype: torch.dtype, training: bool) -> None:
        try:
            self.module = copy.deepcopy(module).to(device=device, dtype=dtype).train(training)
        except Exception as error:
            raise UserError(f"{name_of(module)} cannot be copied: {reason(error)}") from None
        self.device, self.dtype = device, dtype
        self.parameters = {k: v.detach() for k, v in self.module.named_parameters()}
        self.buffers = {k: v.detach() for k, v in self.module.named_buffers()}

    def at(self, dtype: torch.dtype | None = None, training: bool = True) -> "ModuleUnderTest":
        """The same module in another precision or mode."""
        return ModuleUnderTest(self.module, self.device, dtype or self.dtype, training)

    def call(
        self, x: Tensor, state: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Output, and the buffers after the call; `state` replaces parameters and buffers."""
        given = dict(state or {})
        buffers = {k: given.pop(k, v).clone() for k, v in self.buffers.items()}
        z = functional_call(self.module, {**self.parameters, **given, **buffers}, (x,))
        return z, buffers

    def __call__(self, x: Tensor, state: Mapping[str, Tensor] | None = None) -> Tensor:
        """Output for input x, `state` in place of the module's own parameters and buffers."""
        return self.call(x, state)[0]

    def named(self, names: tuple[str, ...]) -> str | None:
        """The parameter whose last name is one of `names`, if there is just one."""
        found = [k for k in self.parameters if k.rsplit(".", 1)[-1].lower() in names]
        return found[0] if len(found) == 1 else None

    @property
    def gain(self) -> str | None:
        """Name of the parameter that multiplies."""
        return self.named(GAINS)

    @property
    def bias(self) -> str | None:
        """Name of the parameter that is added."""
        return self.named(BIASES)


def name_of(module: nn.Module) -> str:
    """The module on one line, as short as it is sensible to print."""
    text = " ".join(repr(module).split())
    return text if len(text) <= 100 else type(module).__name__


def first_call(tested: ModuleUnderTest, x: Tensor) -> Tensor:
    """Call the layer once and refuse what cannot be measured.

    Raises
    ------
    UserError
        If it raises, or does not return a finite tensor of the input's shape.
    """
    shape, name = "x".join(map(str, x.shape)), name_of(tested.module)
    try:
        z = tested(x)
    except Exception as error:
        raise UserError(
            f"{name} refuses an input of shape {shape}: {reason(error)}; give another --shape"
        ) from None
    if not isinstance(z, Tensor):
        raise UserError(f"{name} returns {type(z).__name__}, not a tensor; a layer returns one")
    if z.shape != x.shape:
        got = "x".join(map(str, z.shape)) or "a scalar"
        raise UserError(f"{name} maps shape {shape} to {got}; a normaliser keeps the shape")
    if not torch.isfinite(z).all():
        raise UserError(f"{name} returns NaN or infinity for a finite input of shape {shape}")
    if (z == z.flatten()[0]).all():
        raise UserError(
            f"{name} returns one number everywhere for a random input of shape {shape}: "
            "a group of m = 1 entry? Give another --shape"
        )
    return z


@contextmanager
def undisturbed(device: str) -> Iterator[None]:
    """Keep PyTorch's random state, and its warnings about slow fallbacks, inside."""
    devices = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
