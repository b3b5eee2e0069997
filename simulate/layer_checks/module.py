"""The module under test: copies of the user's module, called with any parameters."""

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


class _Observed(nn.Module):
    """Calls a module and also returns its buffers and plain tensors after the call."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor, plain: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The output and the state; plain tensors are set before the call and restored after."""
        before = plain_tensors(self.module)
        try:
            for name, value in plain.items():
                _set(self.module, name, value)
            z = self.module(x)
            return z, dict(self.module.named_buffers()) | plain_tensors(self.module)
        finally:
            for name, value in before.items():
                _set(self.module, name, value)


def plain_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Tensors that a module holds as attributes without registering them as buffers."""
    return {
        f"{path}.{name}" if path else name: value
        for path, part in module.named_modules()
        for name, value in vars(part).items()
        if isinstance(value, Tensor)
    }


def _set(module: nn.Module, name: str, value: Tensor) -> None:
    path, _, last = name.rpartition(".")
    setattr(module.get_submodule(path), last, value)


class ModuleUnderTest:
    """A copy of a module in one dtype and mode, as a function of input and parameters.

    Its buffers, and tensors that are no buffers, are cloned for each call; updated ones are
    returned but not kept.

    Attributes
    ----------
    gain, bias
        Names of the parameters gamma and beta; by default the parameter with a usual name, if
        there is exactly one.
    """

    def __init__(self, module: nn.Module, device: str, dtype: torch.dtype, training: bool) -> None:
        try:
            self.module = copy.deepcopy(module).to(device=device, dtype=dtype).train(training)
        except Exception as error:
            raise UserError(f"{name_of(module)} cannot be copied: {reason(error)}") from None
        self.device, self.dtype = device, dtype
        self.parameters = {k: v.detach() for k, v in self.module.named_parameters()}
        self._plain = frozenset(plain_tensors(self.module))
        for name, value in plain_tensors(self.module).items():
            _set(
                self.module,
                name,
                value.detach().to(device, dtype if value.is_floating_point() else None),
            )
        self.buffers = {k: v.detach() for k, v in self.module.named_buffers()}
        self.buffers |= plain_tensors(self.module)
        self._observed = _Observed(self.module)
        self.gain, self.bias = self._named(GAINS), self._named(BIASES)

    def at(self, dtype: torch.dtype | None = None, training: bool = True) -> "ModuleUnderTest":
        """The same module in another dtype or mode."""
        other = ModuleUnderTest(self.module, self.device, dtype or self.dtype, training)
        other.gain, other.bias = self.gain, self.bias
        return other

    def call(
        self, x: Tensor, state: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the output and the updated buffers; `state` overrides parameters and buffers."""
        given = dict(state or {})
        buffers = {k: given.pop(k, v).clone() for k, v in self.buffers.items()}
        plain = {k: buffers.pop(k) for k in self._plain}
        named = {f"module.{k}": v for k, v in {**self.parameters, **given, **buffers}.items()}
        z, after = functional_call(self._observed, named, (x, plain))
        return z, after

    def __call__(self, x: Tensor, state: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return the output for input x; `state` overrides parameters and buffers."""
        return self.call(x, state)[0]

    def _named(self, names: tuple[str, ...]) -> str | None:
        """The parameter whose last name is one of `names`; None unless there is exactly one."""
        matches = [k for k in self.parameters if k.rsplit(".", 1)[-1].lower() in names]
        return matches[0] if len(matches) == 1 else None


def name_of(module: nn.Module) -> str:
    """The module's repr on one line, or its type if that is too long."""
    text = " ".join(repr(module).split())
    return text if len(text) <= 100 else type(module).__name__


def first_call(tested: ModuleUnderTest, x: Tensor) -> Tensor:
    """Call the layer once and check that its output can be measured.

    Raises
    ------
    UserError
        If it raises, or does not return a finite, non-constant tensor of the input's shape.
    """
    shape, name = "x".join(map(str, x.shape)), name_of(tested.module)
    try:
        z = tested(x)
    except Exception as error:
        raise UserError(
            f"{name} raises for an input of shape {shape}: {reason(error)}; give another --shape"
        ) from None
    if not isinstance(z, Tensor):
        raise UserError(f"{name} returns {type(z).__name__}; it must return a tensor")
    if z.shape != x.shape:
        got = "x".join(map(str, z.shape)) or "a scalar"
        raise UserError(f"{name} maps shape {shape} to {got}; a normaliser must keep the shape")
    if not torch.isfinite(z).all():
        raise UserError(f"{name} returns NaN or infinity for a finite input of shape {shape}")
    if (z == z.flatten()[0]).all():
        raise UserError(
            f"{name} returns a constant for a random input of shape {shape}: "
            "a group of m = 1 entry? Give another --shape"
        )
    return z


@contextmanager
def undisturbed(device: str) -> Iterator[None]:
    """Restore PyTorch's random state on exit, and suppress warnings about slow fallbacks."""
    devices = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
