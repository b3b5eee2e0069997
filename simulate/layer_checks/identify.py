"""Identify the normaliser that a module should be: by its type, by a given name, or by fit."""

import difflib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from bnproof.simulate.layer_checks import fused
from bnproof.simulate.layer_checks import spec as axes
from bnproof.simulate.layer_checks.module import ModuleUnderTest, first_call, name_of
from bnproof.simulate.layer_checks.spec import USUAL, Axis, NormalizerSpec, forms
from bnproof.simulate.layer_checks.terms import output_terms
from bnproof.simulate.relation import TOLERANCE
from bnproof.simulate.samplers.definitions.normalizers import KINDS
from bnproof.theory.common.errors import UserError

EPS_NAMES: Final = ("eps", "epsilon", "variance_epsilon", "_eps")
SIZE: Final = 8  # features of the input of a module without parameters
SMALL: Final = 1e-5  # eps of a layer that does not state it, for the size of a small input
# Below this squared correlation a module is no faulty normaliser but something else.
FAR: Final = 0.1
PLACES: Final = {
    nn.BatchNorm2d: (3, 2),
    nn.BatchNorm3d: (2, 2, 2),
    nn.InstanceNorm1d: (5,),
    nn.InstanceNorm2d: (3, 2),
    nn.InstanceNorm3d: (2, 2, 2),
}


class OtherError(UserError):
    """The module is no normaliser that is known."""


def shapes(module: nn.Module) -> list[tuple[int, ...]]:
    """Input shapes to try for a module, from its type or the shapes of its parameters.

    Raises
    ------
    UserError
        If its parameters are of several sizes.
    """
    typed = _typed_shape(module)
    if type(module).__module__.startswith("torch.") and typed is not None:
        return [typed]
    sizes = {tuple(size for size in p.shape if size > 1) for p in module.parameters()} - {()}
    if len(sizes) > 1:  # of a matrix and a vector, the vector has an entry per feature
        sizes = {size for size in sizes if len(size) == 1}
    if len(sizes) > 1 or (not sizes and any(True for _ in module.parameters())):
        raise UserError(f"{name_of(module)}: input shape unknown; give --shape, such as 64,8")
    size = sizes.pop() if sizes else (SIZE,)
    flat, image = (8, *size), (4, *size, 3, 2)
    if len(size) > 1:
        options = [flat]
    elif any(p.dim() > 2 for p in module.parameters()):  # one number per channel, for images
        options = [image, (4, *size, 5), flat]
    else:
        options = [flat, image, (4, *size, 5), (4, *size, 2, 2, 2)]
    return [*([typed] if typed else []), *(option for option in options if option != typed)]


def _typed_shape(module: nn.Module) -> tuple[int, ...] | None:
    """The usual input shape of PyTorch's own classes and of classes derived from them."""
    if isinstance(module, nn.LayerNorm | nn.RMSNorm):
        return (4, *module.normalized_shape)
    if isinstance(module, nn.GroupNorm):
        return (4, module.num_channels, 3, 2)
    if isinstance(module, _BatchNorm | _InstanceNorm):
        places = next((v for k, v in PLACES.items() if isinstance(module, k)), ())
        return (4 if places else 8, module.num_features, *places)
    return None


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
        for entry in every_option(tested, x.shape, (USUAL[kind],))
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


def every_option(
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
    options: Sequence[tuple[int, ...]],
    named: str | None,
    eps: float | None,
    seed: int,
) -> tuple[NormalizerSpec, Tensor]:
    """Return the normaliser that `module` should be, and an input of the first shape that shows it.

    Of the shapes in `options` the first is taken for which a normaliser agrees up to rounding;
    if there is none, the first that the module accepts.

    Raises
    ------
    UserError
        If a name is unknown, eps is negative or not finite, a group has one entry, or nothing fits.
    """
    own = _own_eps(module) if eps is None else eps
    if own is not None and not 0 <= own < math.inf:
        raise UserError(f"eps = {own:g}: must be finite and at least 0")
    reasons: list[UserError] = []  # those of shapes that the module accepts come first
    near: list[tuple[NormalizerSpec, Tensor]] = []
    for shape in options:
        x = draw(shape, seed, tested.device)
        try:
            fits, spec = _at_shape(module, tested, x, named, eps, own, seed)
        except OtherError as error:
            reasons.insert(0, error)
            continue
        except UserError as error:
            reasons.append(error)
            continue
        if fits:
            return spec, x
        near.append((spec, x))
    if near:
        return near[0]
    if len(reasons) == 1:
        raise reasons[0]
    tried = ", ".join("x".join(map(str, shape)) for shape in options)
    raise UserError(f"{reasons[0]} (shapes tried: {tried}; name one with --shape)")


def _at_shape(
    module: nn.Module,
    tested: ModuleUnderTest,
    x: Tensor,
    named: str | None,
    eps: float | None,
    own: float | None,
    seed: int,
) -> tuple[bool, NormalizerSpec]:
    """Whether a normaliser agrees at one input, and which, or the nearest."""
    typed = by_type(module, tested, x.dim()) if named is None else None
    if typed is not None and typed.axis.size(tuple(x.shape)) < 2:
        raise UserError("m = 1: a group needs at least 2 entries; give another --shape")
    first_call(tested, x)
    if typed is not None:
        typed = typed if eps is None else replace(typed, eps=eps)
        if type(module).__module__.startswith("torch."):
            return True, typed
    _find_roles(tested, x)
    state = draw_state(tested, seed)
    options = as_named(named, tested, x) if named else every_option(tested, x.shape)
    if not options:
        raise UserError("m = 1: no group has at least 2 entries in this input; see --shape")
    if typed is not None:
        options = [typed, *options]
    fit = _Fit(tested, x, state, own, bool(named))
    fits, spec = fit.best(options)
    return fits, spec if fits or typed is None else typed


def _find_roles(tested: ModuleUnderTest, x: Tensor) -> None:
    """Find gamma and beta by their effect where no parameter has a usual name.

    Beta adds the same to every output; gamma multiplies what is left without beta.
    """
    if tested.gain is not None and tested.bias is not None:
        return
    others = [name for name in tested.parameters if name not in (tested.gain, tested.bias)]
    inputs = (x, x.flip(-1) * 1.5 - 0.25)
    for name in others:
        value = tested.parameters[name]
        move = torch.linspace(0.5, 1.5, value.numel()).to(value).reshape(value.shape)
        try:
            base = [tested(point) for point in inputs]
            once = [
                tested(point, {name: value + move}) - z
                for point, z in zip(inputs, base, strict=True)
            ]
            twice = [
                tested(point, {name: value + 2 * move}) - z
                for point, z in zip(inputs, base, strict=True)
            ]
        except Exception:  # it is not a parameter that can be moved freely
            continue
        size = max(change.abs().max().item() for change in once)
        near = 1e-4 * size
        if size == 0 or any(
            (two - 2 * one).abs().max() > near for one, two in zip(once, twice, strict=True)
        ):
            continue
        constant = (once[0] - once[1]).abs().max() <= near
        if constant and tested.bias is None:
            tested.bias = name
        elif not constant and tested.gain is None:
            tested.gain = name


def _own_eps(module: nn.Module) -> float | None:
    """The attribute of the module that holds eps, or None."""
    values = [getattr(module, name, None) for name in EPS_NAMES]
    numbers = [value for value in values if isinstance(value, float | int)]
    return float(numbers[0]) if numbers else None


class _Fit:
    """Compares the output of a layer with specifications, at two inputs."""

    def __init__(
        self,
        tested: ModuleUnderTest,
        x: Tensor,
        state: dict[str, Tensor],
        eps: float | None,
        named: bool,
    ) -> None:
        self.tested, self.x, self.state, self.eps, self.named = tested, x, state, eps, named
        # At the small one eps matters, wherever it stands.
        small = x * (0.5 * (eps or SMALL) ** 0.5 / x.std())
        self.points = [(point, tested(point, state)) for point in (x, small)]
        # Parameters start so that gamma = 1.
        gain = None if tested.gain is None else tested.parameters[tested.gain]
        self.stored = 1.0 if gain is not None and (gain == 0).all() else 0.0
        lowest = fused.narrowest(tested, x, state)
        self.tolerance = TOLERANCE.get(lowest, TOLERANCE[torch.float32])

    def best(self, options: list[NormalizerSpec]) -> tuple[bool, NormalizerSpec]:
        """Whether an option agrees up to rounding, and the first such, or the nearest in use.

        Raises
        ------
        UserError
            If the module is no normaliser that is known.
        """
        exact: list[tuple[float, NormalizerSpec]] = []
        near: list[tuple[float, float, NormalizerSpec]] = []
        for option in options:
            for form in _variants(option, self.named):
                try:
                    entry, errors = self._errors(form)
                except ValueError:  # gamma or beta does not fit this axis, or no eps explains z
                    continue
                if max(errors) <= self.tolerance:
                    exact.append((max(errors), entry))
                elif form.offset == self.stored and (
                    self.named or (form.name in USUAL.values() and form.usual)
                ):
                    unlike = round(1 - _resemblance(entry, self.x, self.points[0][1]), 3)
                    near.append((unlike, errors[0], entry))
        if exact:
            least = max(4 * min(error for error, _ in exact), TOLERANCE[torch.float64])
            return True, next(entry for error, entry in exact if error <= least)
        if not near:
            name = name_of(self.tested.module)
            raise UserError(f"gamma or beta of {name} fits no axis; see --shape")
        unlike, _, nearest = min(near, key=lambda found: found[:2])
        if not self.named:
            self._refuse_others(nearest, unlike)
        return False, nearest

    def _errors(self, form: NormalizerSpec) -> tuple[NormalizerSpec, list[float]]:
        tested, state = self.tested, self.state
        eps = self.eps if self.eps is not None else read_eps(tested, self.x, state, form)
        entry = replace(form, eps=eps)
        return entry, [
            ((z - entry.output(x, state)).abs() / output_terms(entry, x, state)).max().item()
            for x, z in self.points
        ]

    def _refuse_others(self, nearest: NormalizerSpec, unlike: float) -> None:
        """Raise if the module is not even a faulty normaliser."""
        name = name_of(self.tested.module)
        seems = _seems(self.tested, self.x, self.state)
        if seems:
            raise OtherError(f"{name} {seems}, so it is no normaliser; see --as")
        if unlike > FAR:
            raise OtherError(
                f"{name} agrees with no known normaliser (nearest {nearest.name}, squared "
                f"correlation {1 - unlike:.2g}); say what it should be with --as"
            )


def _resemblance(spec: NormalizerSpec, x: Tensor, z: Tensor) -> float:
    """How well gamma n + beta, with any gamma and beta, explains the output: 1 if exactly.

    It is the median of the squared correlations of output and normalised input over the entries
    of gamma.
    """
    axis = 1 if spec.axis.channelwise else -1
    a, b = (part.movedim(axis, 0).flatten(1) for part in (spec.normalised(x), z))
    a, b = a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True)
    squares = (a * a).sum(-1) * (b * b).sum(-1)
    return ((a * b).sum(-1) ** 2 / squares.clamp(min=1e-300)).median().item()


def _seems(tested: ModuleUnderTest, x: Tensor, state: dict[str, Tensor]) -> str:
    """What a module does that is no normaliser, in words; empty if it may be one."""
    z, other = tested(x, state), x.flip(-1) * 1.5 - 0.25
    middle = tested((x + other) / 2, state) - (z + tested(other, state)) / 2
    if middle.abs().max() <= 1e-5 * z.abs().max():
        return "is affine in its input, as a linear layer or a frozen batch normalisation is"
    if tested(64 * x, state).std() > 8 * z.std():
        return "has an output that grows with its input"
    point = x.clone()
    point.view(-1)[0] += 1.0
    change = (tested(point, state) - z).flatten()
    if (change[1:] == 0).all():
        return "acts on every entry by itself, as an activation function does"
    return ""


def _variants(option: NormalizerSpec, named: bool) -> Iterator[NormalizerSpec]:
    """The forms of an option that are in use; only the usual one if it was named."""
    for form in [option] if named else forms(option):
        yield form
        if option.gain is not None and not option.offset:
            yield replace(form, offset=1.0)


def read_eps(
    tested: ModuleUnderTest, x: Tensor, state: dict[str, Tensor], option: NormalizerSpec
) -> float:
    """Infer eps of a layer without such an attribute: the scale at an input close to 0."""
    if not option.kind.eps_at:
        return 0.0
    size = implied_scale(tested, option, x * 1e-18, state).median().item()
    value = size**2 if option.kind.eps_at == "inside" else size
    if not math.isfinite(value):
        raise ValueError("the output does not depend on the input")
    return float(f"{value:.6g}") if value > 1e-15 else 0.0


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
