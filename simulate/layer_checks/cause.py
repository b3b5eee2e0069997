"""What is most probably wrong with a layer, from its output and its gradients."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from bnproof.simulate.layer_checks.case import LayerCase
from bnproof.simulate.layer_checks.identify import every_option, read_eps
from bnproof.simulate.layer_checks.results import CheckResult, Status
from bnproof.simulate.layer_checks.spec import FLOOR, NormalizerSpec
from bnproof.simulate.layer_checks.terms import output_terms

AGREES: Final = "agrees with the definition"
BACKWARD: Final = "backward"
NEAR: Final = 1e-6  # relative error up to which a fit explains what is measured
WORDS: Final = {
    "inside": "under the root",
    "outside": "added to the root",
    FLOOR: "the least value of the scale",
    "": "nowhere",
}


def cause(case: LayerCase, rows: Sequence[CheckResult]) -> str:
    """The most probable cause of the faults in words; empty if there is none."""
    faults = [row for row in rows if row.outcome is Status.FAULT]
    if not faults:
        return ""
    names = {row.check for row in faults}
    words = ""
    if AGREES in names:
        words = _of_output(case)
    elif BACKWARD in names:
        words = _of_gradient(case)
    first = faults[0]
    return words or (f"{first.check}: {first.note}" if first.note else first.check)


def _of_output(case: LayerCase) -> str:
    """How the form that explains the output differs from the specification."""
    exact = [form for option in _forms(case) if (form := _exact(case, option)) is not None]
    if exact:
        differences = [_differences(case.spec, form) for form in exact]
        return "; ".join(differences[min(range(len(exact)), key=lambda k: len(differences[k]))])
    z, beta = case.tested(case.x, case.state), case.spec.beta(case.state, case.x)
    ratio = (z - beta) / (case.expected(case.x, case.state) - beta)
    factor = ratio.median().item()
    constant = (ratio - factor).abs().max() <= NEAR * abs(factor)
    if constant and abs(factor - 1) > 10 * NEAR:
        return f"the output, less beta, is {factor:.6g} times what it should be"
    return ""


def _forms(case: LayerCase) -> Iterator[NormalizerSpec]:
    """Every normaliser on every axis, with eps anywhere, and with or without each parameter."""
    for option in [case.spec, *every_option(case.tested, case.x.shape)]:
        for place in dict.fromkeys((option.kind.eps_at, "inside", "outside", FLOOR)):
            kind = replace(option.kind, eps_at=place)
            for unbiased in (False, True):
                for gain in dict.fromkeys((case.spec.gain, None)):
                    for bias in dict.fromkeys((case.spec.bias, None)):
                        for offset in (0.0, 1.0) if gain else (0.0,):
                            yield replace(
                                option, kind=kind, unbiased=unbiased, gain=gain, bias=bias,
                                offset=offset, eps=case.spec.eps,
                            )  # fmt: skip


def _exact(case: LayerCase, form: NormalizerSpec) -> NormalizerSpec | None:
    """A form with the eps of the specification or with its own, if that gives the output."""
    for entry in (form, None):
        try:
            chosen = entry or replace(form, eps=read_eps(case.tested, case.x, case.state, form))
            if all(_error(case, chosen, x) <= case.tolerance for x in (case.x, case.x * 1e-3)):
                return chosen
        except ValueError:  # gamma or beta does not fit this axis, or no eps explains the output
            continue
    return None


def _error(case: LayerCase, form: NormalizerSpec, x: Tensor) -> float:
    difference = case.tested(x, case.state) - form.output(x, case.state)
    return (difference.abs() / output_terms(form, x, case.state)).max().item()


def _differences(spec: NormalizerSpec, form: NormalizerSpec) -> list[str]:
    """In what a form differs from a specification, in words."""
    words = []
    if form.name != spec.name:
        words.append(f"it is {form.name}, not {spec.name}")
    if form.axis.dims != spec.axis.dims or form.axis.parts != spec.axis.parts:
        words.append(f"a group is {form.axis.name}, not {spec.axis.name}")
    if form.unbiased != spec.unbiased:
        words.append("the variance is the unbiased one, m/(m - 1) times the biased one")
    if form.kind.eps_at != spec.kind.eps_at:
        words.append(f"eps is {WORDS[form.kind.eps_at]}, not {WORDS[spec.kind.eps_at]}")
    if form.kind.eps_at and form.eps != spec.eps:
        stated = "the machine epsilon" if spec.eps is None else f"{spec.eps:g}"
        words.append(f"eps is {form.eps:g}, not {stated}")
    if form.gain != spec.gain:
        words.append("gamma has no effect")
    elif form.offset != spec.offset:
        words.append(f"gamma is {'1 + ' if form.offset else ''}its parameter")
    if form.bias != spec.bias:
        words.append("beta has no effect")
    return words


def _of_gradient(case: LayerCase) -> str:
    """Which gradient is wrong, and for x which of its terms."""
    names = {"x": "x", case.spec.gain: "gamma", case.spec.bias: "beta"}
    leaves = {"x": case.x, **case.state}
    ours, truth = _gradients(case, leaves, tested=True), _gradients(case, leaves, tested=False)
    words = []
    for name, value in truth.items():
        error = (ours[name] - value).abs().max() / value.abs().max()
        if error <= NEAR:
            continue
        if name == "x":
            words.append(_of_x(case, ours[name]))
            continue
        factor = (ours[name] / value).median().item()
        constant = (ours[name] - factor * value).abs().max() <= NEAR * value.abs().max()
        what = f"{factor:.6g} times what it should be" if constant else "wrong"
        words.append(f"the gradient of {names[name]} is {what}")
    return "; ".join(words)


def _gradients(case: LayerCase, leaves: dict[str, Tensor], *, tested: bool) -> dict[str, Tensor]:
    given = {name: value.detach().requires_grad_() for name, value in leaves.items()}
    layer = case.tested if tested else case.expected
    z = layer(given["x"], {name: value for name, value in given.items() if name != "x"})
    found = torch.autograd.grad(case.loss(z), list(given.values()), materialize_grads=True)
    return dict(zip(given, found, strict=True))


def _of_x(case: LayerCase, v: Tensor) -> str:
    """The gradient at x as a combination of g, 1 and yhat: which of the three terms is wrong."""
    spec, kind = case.spec, case.spec.kind
    wrong = "the gradient of x is wrong"
    if kind.power != 2 or kind.centred != kind.scale_centred or spec.unbiased:
        return wrong
    u = spec.axis.fold(case.x)
    S, n = spec.scale(u, spec.constant(u.dtype)), spec.axis.fold(spec.normalised(case.x))
    g = case.loss.gradient(case.expected(case.x, case.state))
    gamma = spec.gamma(case.state, case.x)
    for factor, missing in ((gamma, ""), (torch.ones_like(gamma), "gamma is missing")):
        f = spec.axis.fold((g * factor).expand_as(case.x))
        along = n * (f * n).mean(-1, keepdim=True)
        terms = [f, f.mean(-1, keepdim=True).expand_as(f), along] if kind.centred else [f, along]
        basis = torch.stack([(term / S).flatten() for term in terms], -1)
        target = spec.axis.fold(v).flatten()
        fit = torch.linalg.lstsq(basis, target).solution
        if (basis @ fit - target).abs().max() > NEAR * target.abs().max():
            continue
        parts = [missing] if missing else []
        if kind.centred:
            parts.append(_term(fit[1].item(), "mean"))
        parts.append(_term(fit[-1].item(), "variance" if kind.centred else "scale"))
        if abs(fit[0].item() - 1) > NEAR:
            parts.append(f"it is {fit[0].item():.6g} times its first term")
        parts = [part for part in parts if part]
        absent = [part for part in parts if part.endswith("is missing") and "path" in part]
        if kind.centred and len(absent) == 2:
            others = [part for part in parts if part not in absent]
            parts = ["mean and variance are treated as constants", *others]
        return f"in the gradient of x {', '.join(parts)}" if parts else wrong
    return wrong


def _term(factor: float, name: str) -> str:
    """What is wrong with a term of the gradient whose factor should be -1; empty if nothing is."""
    if abs(factor + 1) <= NEAR:
        return ""
    if abs(factor) <= NEAR:
        return f"the path through the {name} is missing"
    return f"the path through the {name} counts {-factor:.6g} times"
