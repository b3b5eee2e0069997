"""The sampler of normalisers against PyTorch's own layers, and against the table of theory."""

import pytest
import sympy as sp
import torch
from torch import Tensor
from torch.func import hessian, jacfwd, vmap

from bnproof.simulate.check import TOLERANCE, compare
from bnproof.simulate.samplers.definitions.normalizers import KINDS, kind
from bnproof.simulate.samplers.normalizers import (
    DRAWS,
    Measured,
    admitted,
    batches,
    draw,
    provenance,
)
from bnproof.theory.claim import RandomTest
from bnproof.theory.claims.gradient import layer_norm_bound
from bnproof.theory.claims.lp import lp_jacobian, slides_lp_scale
from bnproof.theory.normalizers import groups as sym
from bnproof.theory.normalizers.table import NORMALIZERS, Axis, Normalizer, R, facts
from bnproof.theory.symbols import eps, m

ROWS = {row["normaliser"]: row for row in map(facts, NORMALIZERS)}
SHARED = [name for name in KINDS if name in ROWS]


def measured(name: str, size: int = 6, constant: float = 0.0, count: int = 20) -> Measured:
    return Measured(draw(KINDS[name], count, size, "Gaussian", 3, (constant,)))


def output(q: Measured) -> Tensor:
    """The whole layer's output before gamma, in the form (K, groups, m)."""
    kind = q.problems.kind
    return kind.normalise(kind.layout.group(q.x, q.m), q.problems.eps.unsqueeze(-1)).detach()


def test_the_layers_are_those_of_pytorch() -> None:
    constant, functional = 1e-3, torch.nn.functional
    for name in ("BatchNorm, eps inside", "LayerNorm", "RMSNorm", "GroupNorm", "InstanceNorm"):
        q = measured(name, 6, constant, 4)
        direct = {
            "BatchNorm, eps inside": lambda x: functional.batch_norm(
                x, None, None, training=True, eps=constant
            ),
            "LayerNorm": lambda x: functional.layer_norm(x, x.shape[1:], eps=constant),
            "RMSNorm": lambda x: functional.rms_norm(x, x.shape[1:], eps=constant),
            "GroupNorm": lambda x: functional.group_norm(x, 2, eps=constant),
            "InstanceNorm": lambda x: functional.instance_norm(x, eps=constant),
        }[name]
        expected = torch.stack([direct(x) for x in q.x.detach()])
        torch.testing.assert_close(output(q), q.problems.kind.layout.group(expected, 6))


@pytest.mark.parametrize("power", ["1", "3/2", "2", "4", "oo"])
@pytest.mark.parametrize("eps_at", ["", "inside", "outside"])
@pytest.mark.parametrize("total", [False, True])
def test_the_scale_of_any_entry_is_that_of_theory(power: str, eps_at: str, total: bool) -> None:
    """Also of entries that the table does not have yet."""
    entry = Normalizer("new", Axis.FEATURES, power=sp.S(power), eps_at=eps_at, total=total)
    exponent, constant = float(entry.power), 0.3
    u = torch.randn(4, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    x = (u - u.mean(-1, keepdim=True)).abs()
    mean = x.amax(-1) if entry.power == sp.oo else (x**exponent).mean(-1) ** (1 / exponent)
    if total and (eps_at or entry.power == sp.oo):
        pytest.skip("no such normaliser: the sum of powers has no eps and no limit")
    scale = sp.lambdify((R, eps, m), entry.outer(R), "numpy")
    expected = torch.as_tensor(scale(mean.numpy(), constant, 7))
    found = kind(entry, exponent).scale(u, torch.tensor(constant, dtype=torch.float64))[:, 0]
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=0)


def test_weight_norm_is_that_of_pytorch() -> None:
    q = measured("WeightNorm", 6)
    weight = q.x.detach()[0].squeeze(-1)
    unit = torch._weight_norm(weight, torch.ones(3, 1, dtype=weight.dtype), 0)
    torch.testing.assert_close(output(q)[0], unit)


def test_only_batch_norm_reads_other_samples() -> None:
    for name, other in [
        ("BatchNorm, eps inside", True),
        ("LayerNorm", False),
        ("RMSNorm", False),
        ("GroupNorm", False),
        ("InstanceNorm", False),
    ]:
        q = measured(name, 6, 1e-3)
        before = output(q)[:, 0]
        q.x.data[:, 1:] *= 3.0
        after = output(q)[:, 0]
        changed = (after - before)[:, 0].abs().max() > 1e-6
        assert bool(changed) is other, name


def operator(q: Measured) -> Tensor:
    """``S Dn`` for each problem, by forward differentiation of the definition."""
    kind = q.problems.kind
    jacobian = vmap(jacfwd(kind.normalise))(q.u.detach(), q.problems.eps)
    return q.scale.detach().unsqueeze(-1) * jacobian


@pytest.mark.parametrize("name", SHARED)
def test_jacobian_agrees_with_forward_mode_and_with_w(name: str) -> None:
    q = measured(name, 6, 0.1 if KINDS[name].eps_at else 0.0)
    torch.testing.assert_close(operator(q), q.scale.detach().unsqueeze(-1) * q.jacobian)
    omega = q.value(sym.omega) if KINDS[name].power == 2 else torch.ones(len(q.x)).double()
    a = q.a - q.a.mean(-1, keepdim=True) if KINDS[name].scale_centred else q.a
    torch.testing.assert_close(q.w, omega.unsqueeze(-1) / q.m * a, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("name", SHARED)
def test_the_table_is_right_about_null_directions_and_projectors(name: str) -> None:
    row, Q = ROWS[name], operator(measured(name))
    u = measured(name).u.detach()
    moved = {"1": Q.sum(-1), "u": (Q @ u.unsqueeze(-1)).squeeze(-1)}
    for direction, image in moved.items():
        still = bool(image.abs().max() < 1e-9)
        assert still is (direction in row["null directions"].replace("u at eps = 0", "u"))
    kind = row["S Dn is a projector"].split()[0]
    assert torch.allclose(Q @ Q, Q, atol=1e-9) is (kind != "no")
    assert torch.allclose(Q, Q.mT, atol=1e-9) is (kind == "orthogonal")
    # What shrinks, shrinks; what is said to lengthen does so on some group.
    longest = torch.linalg.matrix_norm(Q, 2).max().item()
    assert (longest <= 1 + 1e-9) is (row["longest |S Dn|"] == "1")
    assert longest <= 1 + 1e-9 or longest > 1 + 1e-3


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("constant", [0.0, 0.1])
def test_the_table_is_right_about_the_theorems(name: str, constant: float) -> None:
    """|v|^2 and v'Kv by automatic differentiation against Theorems 4.1 and 4.2."""
    if constant and not KINDS[name].eps_at:
        pytest.skip("has no eps")
    q = measured(name, 6, constant)
    scale = q.scale.detach().squeeze(-1)
    H, g0 = torch.randn(2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    H, g0 = H + H.mT, g0[0]

    def loss(u: Tensor, limit: Tensor) -> Tensor:
        n = q.problems.kind.normalise(u, limit)
        return n @ H @ n / 2 + g0 @ n

    u = q.u.detach()
    n = q.n.detach()
    f = n @ H + g0
    v = (q.jacobian.mT @ f.unsqueeze(-1)).squeeze(-1)
    vKv = (v.unsqueeze(1) @ vmap(hessian(loss))(u, q.problems.eps) @ v.unsqueeze(-1)).flatten()
    fn, vv = (f * n).sum(-1), v.square().sum(-1)
    unit = 1.0 if name == "WeightNorm" else 1 / 6
    bound = (q.centre(f).square().sum(-1) - unit * fn**2) / scale**2
    along = q.centre(v) if not KINDS[name].scale_centred else v
    second = ((along @ H * along).sum(-1) - unit * fn * vv) / scale**2
    row = ROWS[name]
    identity = row["Theorem 4.1"].startswith("identity") and not constant
    assert torch.allclose(vv, bound) is identity
    assert bool((vv <= bound * (1 + 1e-9)).all()) is row["Theorem 4.1"].startswith("identity")
    assert torch.allclose(vKv, second) is (
        row["Theorem 4.2"].startswith("identity") and not constant
    )


def test_a_tiny_error_is_seen() -> None:
    relation = layer_norm_bound.CLAIM.relation
    q = measured("LayerNorm", 8)
    tolerance = TOLERANCE[torch.float64]
    assert not compare(sp.Eq(*relation.args), q).violated.any()
    off = compare(sp.Eq(relation.lhs, relation.rhs * (1 + 1e-9)), q)
    assert off.violated.double().mean() > 0.9
    jacobian = lp_jacobian.CLAIM.relation
    for name in ("l_1 BatchNorm", "l_3/2 BatchNorm, printed", "l_inf BatchNorm"):
        q = measured(name, 5)
        assert compare(jacobian, q).excess.max() < tolerance / 100
        assert compare(sp.Eq(jacobian.lhs, jacobian.rhs * (1 + 1e-9)), q).violated.all()


def test_the_domain_selects_normalisers() -> None:
    printed = admitted(slides_lp_scale.CLAIM.domain)
    assert printed == {"l_2 BatchNorm, printed": (0.0,)}
    assert "l_inf BatchNorm, printed" in admitted(lp_jacobian.CLAIM.domain)
    assert "l_4 BatchNorm" not in admitted(layer_norm_bound.CLAIM.domain)
    assert admitted(sp.Gt(eps, 0)).keys() == {n for n, k in KINDS.items() if k.eps_at}
    with pytest.raises(ValueError, match="excludes every normaliser"):
        admitted(sp.Gt(sym.p, 5) & sp.Lt(sym.p, 6))


def test_batches_cover_normalisers_draws_and_sizes(device: str) -> None:
    spec = RandomTest(sizes=(2, 3), sampler="normalizers")
    found = list(batches(spec, sp.Eq(sym.p, 2), 40, 0, device))
    kinds = admitted(sp.Eq(sym.p, 2))
    assert len(found) == len(kinds) * len(DRAWS) * 2
    assert {size for size, _ in found} == {2, 3}
    assert all((q.value(m) == size).all() for size, q in found)
    again = list(batches(spec, sp.Eq(sym.p, 2), 40, 0, device))
    assert all(torch.equal(a.x, b.x) for (_, a), (_, b) in zip(found, again, strict=True))
    assert set(provenance(spec, sp.Eq(sym.p, 2))["normalisers"]) == set(kinds)
