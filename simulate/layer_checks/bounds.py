"""Gradient bound and curvature of the theorems, tested on the derivatives of the layer."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Final

import torch
from torch import Tensor

from bnproof.simulate.layer_checks.case import LayerCase
from bnproof.simulate.layer_checks.results import CheckResult, Status, attempt, reason, share, skip
from bnproof.simulate.layer_checks.spec import FLOOR
from bnproof.simulate.layer_checks.terms import GroupTerms, gradient_terms, output_terms
from bnproof.simulate.relation import compare
from bnproof.simulate.samplers.base import Measurements, dot
from bnproof.theory.claims.gradient import layer_norm_bound
from bnproof.theory.normalizers import groups as sym
from bnproof.theory.symbols import m, vv

BOUNDS: Final = "bounds"


class Groups(Measurements):
    """The groups of one case as instances: symbols by definition, v and Kv by the layer."""

    def __init__(self, case: LayerCase) -> None:
        self.case, self.spec = case, case.spec
        self.fold = case.spec.axis.fold
        self.terms = GroupTerms(case.spec, case.x)
        self.u, self.S = self.terms.u, self.terms.S.squeeze(-1)
        self.n = self.fold(self.spec.normalised(case.x))
        self.gamma = self.fold(self.spec.gamma(case.state, case.x).expand_as(case.x))

    def centre(self, h: Tensor) -> Tensor:
        """``Ah``."""
        return h - h.mean(-1, keepdim=True) if self.spec.kind.centred else h

    @cached_property
    def f(self) -> Tensor:
        """Gradient at n: gamma times the gradient at z."""
        z = self.case.expected(self.case.x, self.case.state)
        return self.fold(self.case.separable.gradient(z)) * self.gamma

    @cached_property
    def v(self) -> Tensor:
        """Gradient of the layer."""
        x = self.case.x.detach().requires_grad_()
        z = self.case.tested(x, self.case.state)
        return self.fold(torch.autograd.grad(self.case.separable(z), x)[0])

    @cached_property
    def Kv(self) -> Tensor:
        """The curvature along v, by double backward."""
        x = self.case.x.detach().requires_grad_()
        z = self.case.tested(x, self.case.state)
        v = torch.autograd.grad(self.case.separable(z), x, create_graph=True)[0]
        return self.fold(torch.autograd.grad(dot(v.flatten(), v.detach().flatten()), x)[0])

    @cached_property
    def g_terms(self) -> Tensor:
        """Terms of the gradient at z, of the shape of x."""
        z = output_terms(self.spec, self.case.x, self.case.state)
        return self.case.separable.gradient_terms(z)

    @cached_property
    def f_terms(self) -> Tensor:
        """Terms of f."""
        return self.fold(self.g_terms) * self.gamma.abs()

    @cached_property
    def v_terms(self) -> Tensor:
        """Terms of v."""
        return self.fold(gradient_terms(self.spec, self.case.x, self.case.state, self.g_terms))

    @cached_property
    def omega(self) -> Tensor:
        """1, or S/(S - eps) with eps outside the root."""
        outside = self.spec.kind.eps_at == "outside"
        constant = self.spec.constant(self.u.dtype) if outside else 0.0
        return self.S / (self.S - constant)

    def curvature(self) -> tuple[Tensor, Tensor, Tensor]:
        """``v'Kv`` by the layer and by ``(Dn v)'H(Dn v) + <f, D2n[v,v]>``, and its terms.

        For S^2 = R^2 + eps: w = x/(mS) and W(h,h) = (|Ah|^2/m - <w,h>^2)/S with x = Au = Sn.
        """
        v, Kv = self.v, self.Kv
        S, size = self.S.unsqueeze(-1), self.u.shape[-1]
        H = self.fold(self.case.separable.c) * self.gamma**2
        Av, wv = self.centre(v), dot(self.n, v).unsqueeze(-1) / size
        Dn = (Av - wv * self.n) / S
        W = (dot(Av, Av).unsqueeze(-1) / size - wv**2) / S
        D2n = -2 * wv * Av / S**2 + (2 * wv**2 / S**2 - W / S) * self.n
        first = self.terms.first(self.v_terms)
        second = self.terms.second(self.v_terms, self.v_terms)
        terms = dot(H.abs() * first, first) + dot(self.f_terms, second)
        return dot(v, Kv), dot(H * Dn, Dn) + dot(self.f, D2n), terms

    def printed(self) -> Tensor:
        """The right side of Theorem 4.2, (v'Hv - <f,n>|v|^2/m)/S^2, with gamma in H and f."""
        v = self.v
        H = self.fold(self.case.separable.c) * self.gamma**2
        bend = dot(self.f, self.n) * dot(v, v) / v.shape[-1]
        return (dot(H * v, v) - bend) / self.S**2


Groups.VALUES = {
    m: lambda q: torch.full_like(q.S, q.u.shape[-1]),
    sym.S: lambda q: q.S,
    sym.omega: lambda q: q.omega,
    sym.fn: lambda q: dot(q.f, q.n),
    sym.AfAf: lambda q: q.centre(q.f).square().sum(-1),
    vv: lambda q: q.v.square().sum(-1),
}
Groups.MAGNITUDES = {
    sym.fn: lambda q: dot(q.f_terms, q.terms.n),
    sym.AfAf: lambda q: q.terms.centred(q.f_terms).square().sum(-1),
    vv: lambda q: q.v_terms.square().sum(-1),
}


NAMES: Final = (
    "gradient bound (Theorem 4.1)",
    "curvature along the gradient",
    "curvature bound (Theorem 4.2)",
)


def bound_rows(case: LayerCase) -> Iterator[CheckResult]:
    """Check Theorem 4.1 in its form for every eps, the curvature along v, and Theorem 4.2."""
    kind = case.spec.kind
    other = case.spec.unbiased or kind.eps_at == FLOOR
    if kind.power != 2 or kind.centred != kind.scale_centred or other:
        for name in NAMES:
            words = "proved for root mean square scales of what is divided, with eps added"
            yield skip(BOUNDS, name, words)
        return
    groups = Groups(case)
    yield _gradient(groups, case.tolerance)
    if kind.eps_at == "outside":
        for name in NAMES[1:]:
            yield skip(BOUNDS, name, "written for eps under the root")
        return
    yield attempt(BOUNDS, NAMES[1], lambda: _exact(groups), case.tolerance, Status.LIMIT)
    yield _theorem(groups, case)


def _gradient(groups: Groups, limit: float) -> CheckResult:
    """Evaluate the relation proved in `theory`, and its control, on every group."""
    relation, control = layer_norm_bound.CLAIM.relation, layer_norm_bound.CLAIM.control
    assert relation is not None
    notes = []

    def measure() -> tuple[float, str]:
        excess = compare(relation, groups).excess
        caught = int(compare(control, groups).violated.sum())
        slack = 1 - groups.value(vv) / _right_side(groups)
        notes.append(
            f"slack {slack.min():.1e} to {slack.max():.1e} of the right side; with the last term "
            f"twice it fails on {caught} of {len(excess)} groups, as it must"
        )
        return max(0.0, excess.max().item()), "the gradient is longer than the theorem allows"

    row = attempt(BOUNDS, NAMES[0], measure, limit)
    return row if row.note else replace(row, note=notes[0])


def _right_side(groups: Groups) -> Tensor:
    last = groups.omega * groups.value(sym.fn) ** 2 / groups.value(m)
    return (groups.value(sym.AfAf) - last) / groups.S**2


def _exact(groups: Groups) -> tuple[float, str]:
    measured, exact, terms = groups.curvature()
    far = ((measured - exact).abs().max() / exact.abs().max()).item()
    return ((measured - exact).abs() / terms).max().item(), f"{share(far)} of the largest"


def _theorem(groups: Groups, case: LayerCase) -> CheckResult:
    """Theorem 4.2: an identity at eps = 0; refuted for eps > 0, where the excess is only stated."""

    def measure() -> tuple[float, str]:
        measured, _, terms = groups.curvature()
        return ((measured - groups.printed()) / terms).max().item(), "above the printed right side"

    if case.spec.constant(case.x.dtype) == 0:
        return attempt(BOUNDS, NAMES[2], measure, case.tolerance, Status.LIMIT)
    try:
        excess = measure()[0]
    except Exception as failure:
        return skip(BOUNDS, NAMES[2], f"raises {reason(failure)}")
    words = "refuted for eps > 0 (santurkar_4_2_eps); the number is its largest scaled excess here"
    return skip(BOUNDS, NAMES[2], words, excess)
