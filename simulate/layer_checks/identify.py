"""Identify the normaliser that a module should be: by its type, by a given name, or by fit."""

import difflib
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from bnproof.simulate.layer_checks import spec as axes
from bnproof.simulate.layer_checks.module import GAINS, ModuleUnderTest, first_call, name_of
from bnproof.simulate.layer_checks.spec import USUAL, Axis, NormalizerSpec
from bnproof.simulate.layer_checks.terms import output_terms
from bnproof.simulate.relation import TOLERANCE
from bnproof.simulate.samplers.definitions.normalizers import KINDS
from bnproof.theory.common.errors import UserError

EPS_NAMES: Final = ("eps", "epsilon", "variance_epsilon", "_eps")
FAR: Final = 0.5  # above this scaled error a module is not a faulty normaliser but something else
PLACES: Final = {
    nn.BatchNorm2d: (3, 2),
    nn.BatchNorm3d: (2, 2, 2),
    nn.InstanceNorm1d: (5,),
    nn.InstanceNorm2d: (3, 2),
    nn.InstanceNorm3d: (2, 2, 2),
}


def default_shape(module: nn.Module) -> tuple[int, ...]:
    """Return an input shape for a module, from its type or the shape of gamma.

    Raises
    ------
    UserError
        If neither determines it.
    """
    if isinstance(module, nn.LayerNorm | nn.RMSNorm):
        return (4, *module.normalized_shape)
    if isinstance(module, nn.GroupNorm):
        return (4, module.num_channels, 3, 2)
    if isinstance(module, _BatchNorm | _InstanceNorm):
        places = next((v for k, v in PLACES.items() if isinstance(module, k)), ())
        return (4 if places else 8, module.num_features, *places)
    gains = [
        parameter.shape
        for name, parameter in module.named_parameters()
        if name.rsplit(".", 1)[-1].lower() in GAINS and parameter.dim() > 0
    ]
    if len(gains) != 1:
        raise UserError(f"{name_of(module)}: input shape unknown; give --shape, such as 64,8")
    sizes = [size for size in gains[0] if size > 1]
    if len(sizes) == 1 and len(gains[0]) > 1:  # one number per channel, for images
        return (4, sizes[0], 3, 2)
    return (8, *gains[0])


def draw(shape: tuple[int, ...], seed: int, device: str) -> Tensor:
    """Draw an input with a different mean and spread for each entry of axis 1."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator, dtype=torch.float64)

    own = (1, shape[1], *[1] * (len(shape) - 2))
    return (normal(*shape) * (normal(*own) / 2).exp() + normal(*own) / 4).to(device)


def draw_state(tested: ModuleUnderTest, seed: int) -> dict[str, Tensor]:
    """Draw gamma (of either sign) and beta; other parameters keep their values."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name in filter(None, (tested.gain, tested.bias)):
        like = tested.parameters[name]
        value = torch.randn(like.shape, generator=generator, dtype=torch.float64)
        if name == tested.gain:
            value = value.sign() * (value / 2).exp()
        state[name] = value.to(like)
    return state


def by_type(module: nn.Module, tested: ModuleUnderTest, dim: int) -> NormalizerSpec | None:
    """Specification of PyTorch's own classes and of classes derived from them, else None."""
    if isinstance(module, nn.LayerNorm):
        name, axis = USUAL["layer"], axes.layer(dim, len(module.normalized_shape))
    elif isinstance(module, nn.RMSNorm):
        name, axis = USUAL["rms"], axes.layer(dim, len(module.normalized_shape))
    elif isinstance(module, nn.GroupNorm):
        name, axis = USUAL["group"], axes.group(dim, module.num_groups)
    elif isinstance(module, _InstanceNorm):
        name, axis = USUAL["instance"], axes.instance(dim)
    elif isinstance(module, _BatchNorm):
        name, axis = USUAL["batch"], axes.batch(dim)
    else:
        return None
    return NormalizerSpec(name, KINDS[name], axis, module.eps, tested.gain, tested.bias)


def as_named(word: str, tested: ModuleUnderTest, x: Tensor) -> list[NormalizerSpec]:
    """Return the normalisers that match a name such as ``batch`` or ``group(4)``.

    Raises
    ------
    UserError
        If the name is unknown, or the number of groups does not divide the channels.
    """
    match = re.fullmatch(r"(\w+?)(?:\((\d+)\))?", word.strip().lower())
    kind, number = match.groups() if match else (word, None)
    if kind not in USUAL or (number and kind != "group"):
        near = difflib.get_close_matches(word.lower(), USUAL, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near else f"choose {', '.join(USUAL)} or group(4)"
        raise UserError(f"unknown normaliser {word!r}; {hint}")
    options = [
        entry
        for entry in _all(tested, x.shape, (USUAL[kind],))
        if not number or entry.axis.parts == int(number)
    ]
    if not options:
        shape = "x".join(map(str, x.shape))
        raise UserError(f"--as {word} forms no group of at least 2 entries in an input of {shape}")
    return [replace(option, determined="as named") for option in options]


def _axes(name: str, shape: torch.Size) -> list[Axis]:
    dim = len(shape)
    if name == "GroupNorm":
        parts = [n for n in range(1, shape[1] + 1) if shape[1] % n == 0]
        return [axes.group(dim, n) for n in parts]
    if name == "InstanceNorm":
        return [axes.instance(dim)] if dim > 2 else []
    if name in ("LayerNorm", "RMSNorm"):
        last = [axes.layer(dim, k) for k in range(1, dim)]
        return [*last, *([axes.channels()] if dim > 2 else [])]
    return [axes.batch(dim)]


def _all(
    tested: ModuleUnderTest, shape: torch.Size, names: tuple[str, ...] = tuple(KINDS)
) -> list[NormalizerSpec]:
    """Every normaliser of the table on every axis with at least two entries per group.

    Except WeightNorm, which normalises weights, not the input.
    """
    options = []
    for name in names:
        for axis in _axes(name, shape):
            if name != "WeightNorm" and axis.size(shape) > 1:
                entry = NormalizerSpec(name, KINDS[name], axis, 0.0, tested.gain, tested.bias)
                options.append(replace(entry, determined="by fit"))
    return options


def identify(
    module: nn.Module,
    tested: ModuleUnderTest,
    x: Tensor,
    named: str | None,
    eps: float | None,
    seed: int,
) -> NormalizerSpec:
    """Return the normaliser that `module` should be.

    Raises
    ------
    UserError
        If a name is unknown, eps is negative or not finite, a group has one entry, or nothing fits.
    """
    own = _own_eps(module) if eps is None else eps
    if own is not None and not 0 <= own < math.inf:
        raise UserError(f"eps = {own:g}: must be finite and at least 0")
    typed = by_type(module, tested, x.dim()) if named is None else None
    if typed is not None and typed.axis.size(tuple(x.shape)) < 2:
        raise UserError("m = 1: a group needs at least 2 entries; give another --shape")
    first_call(tested, x)
    if typed is not None:
        return typed if eps is None else replace(typed, eps=eps)
    state = draw_state(tested, seed)
    options = as_named(named, tested, x) if named else _all(tested, x.shape)
    if not options:
        raise UserError("m = 1: no group has at least 2 entries in this input; see --shape")
    return _fit(tested, x, state, options, own, bool(named))


def _own_eps(module: nn.Module) -> float | None:
    """The attribute of the module that holds eps, or None."""
    values = [getattr(module, name, None) for name in EPS_NAMES]
    numbers = [value for value in values if isinstance(value, float | int)]
    return float(numbers[0]) if numbers else None


def _fit(
    tested: ModuleUnderTest,
    x: Tensor,
    state: dict[str, Tensor],
    options: list[NormalizerSpec],
    eps: float | None,
    named: bool,
) -> NormalizerSpec:
    """The first option that agrees up to rounding, else the closest one in common use."""
    z = tested(x, state)
    errors: list[tuple[float, NormalizerSpec]] = []
    for option in _variants(options):
        try:
            constant = eps if eps is not None else _read_eps(tested, x, state, option)
            entry = replace(option, eps=constant)
            expected = entry.output(x, state)
        except ValueError:  # gamma or beta does not fit this axis, or no eps explains z
            continue
        error = ((z - expected).abs() / output_terms(entry, x, state)).max().item()
        if error <= TOLERANCE[torch.float64]:
            return entry
        if named or option.name in USUAL.values():
            errors.append((error, entry))
    if not errors:
        raise UserError(f"gamma or beta of {name_of(tested.module)} fits no axis; see --shape")
    error, nearest = min(errors, key=lambda pair: pair[0])
    if error > FAR and not named:
        raise UserError(
            f"{name_of(tested.module)} agrees with no known normaliser (nearest {nearest.name}, "
            f"scaled error {error:.2g}); say what it should be with --as"
        )
    return nearest


def _variants(options: list[NormalizerSpec]) -> Iterator[NormalizerSpec]:
    for option in options:
        yield option
        if option.gain is not None:
            yield replace(option, offset=1.0)


def _read_eps(
    tested: ModuleUnderTest, x: Tensor, state: dict[str, Tensor], option: NormalizerSpec
) -> float:
    """Infer eps of a layer without such an attribute: the scale at an input close to 0."""
    if not option.kind.eps_at:
        return 0.0
    size = implied_scale(tested, option, x * 1e-10, state).median().item()
    value = size**2 if option.kind.eps_at == "inside" else size
    if not math.isfinite(value):
        raise ValueError("the output does not depend on the input")
    return float(f"{value:.6g}") if value > 1e-18 else 0.0


def implied_scale(
    tested: ModuleUnderTest, option: NormalizerSpec, x: Tensor, state: dict[str, Tensor]
) -> Tensor:
    """Infer the scale from the layer's output: |Au|/|n| for each group, (groups,).

    Beta is set to 0 to avoid cancellation.
    """
    state = dict(state)
    if option.bias is not None:
        state[option.bias] = torch.zeros_like(state[option.bias])
    n = option.axis.fold(tested(x, state) / option.gamma(state, x))
    u = option.axis.fold(x)
    top = u - u.mean(-1, keepdim=True) if option.kind.centred else u
    size: Tensor = torch.linalg.vector_norm(top, dim=-1) / torch.linalg.vector_norm(n, dim=-1)
    return size
