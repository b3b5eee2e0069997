"""Random networks: the quantities in Theorems 4.1 and 4.2 of A18.

For each configuration of inputs X (m, d), weights w and a cross-entropy after a readout of 10
classes, ``|v|^2, |g|^2, <1,g>, <g,yhat>, v'Kv, v'Hv`` are computed in float64.  bnproof uses closed
forms with m contiguous.  The baseline is a simple loop over configurations with double backward; it
is run for fewer of them, and its time is scaled up.
"""

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.comparisons.row import Row, alternate
from bnproof.simulate.samplers.autodiff import Measured
from bnproof.simulate.samplers.closed_form import BOUNDS, evaluate
from bnproof.simulate.samplers.definitions.losses import CLASSES, CrossEntropy
from bnproof.simulate.samplers.networks import Problems

M, INPUTS = 64, 8
COUNT, BATCHED, LOOPED = 20_000, 2_000, 400
WHAT = f"both sides of A18 4.1 and 4.2, {COUNT:,} networks, m={M}, d={INPUTS}, {CLASSES} classes"


def configurations(count: int) -> tuple[Tensor, Tensor, Problems]:
    """Return X (K, d, m), w (K, d) and the rest as `Problems`, whose y is a placeholder."""
    generator = torch.Generator().manual_seed(40)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    X, w = normal(count, INPUTS, M), normal(count, INPUTS)
    loss = CrossEntropy.draw(count, M, normal)
    gamma, beta = normal(count, 1), normal(count, 1)
    eps = torch.full((count, 1), 1e-3, dtype=torch.float64)
    return X, w, Problems(X[:, 0], gamma, beta, eps, loss)


def activations(X: Tensor, w: Tensor) -> Tensor:
    """``y = w X``, (K, m)."""
    return torch.bmm(w.unsqueeze(1), X).squeeze(1)


def ours(X: Tensor, w: Tensor, rest: Problems) -> list[Tensor]:
    """Compute all configurations at once, in the order of `BOUNDS`."""
    y = activations(X, w)
    return list(evaluate(Problems(y, rest.gamma, rest.beta, rest.eps, rest.loss)).values())


def batched(X: Tensor, w: Tensor, rest: Problems, size: int = 100) -> list[Tensor]:
    """Compute the same with one double backward per batch, by `samplers.autodiff`."""
    y, parts = activations(X, w), []
    for start in range(0, len(y), size):
        whole = Problems(y, rest.gamma, rest.beta, rest.eps, rest.loss)
        measured = Measured(whole.take(slice(start, start + size)))
        parts.append([measured.value(symbol) for symbol in BOUNDS])
    return [torch.cat(part) for part in zip(*parts, strict=True)]


def looped(rows: list[tuple[Tensor, ...]]) -> list[list[float]]:
    """Compute one configuration after the other by double backward."""
    results = []
    for X, w, gamma, beta, eps, readout, others, label in rows:
        y = (X @ w).requires_grad_()
        centred = y - y.mean()
        yhat = centred / torch.sqrt((centred**2).mean() + eps)
        z = gamma * yhat + beta
        loss = functional.cross_entropy(z[:, None] * readout + others, label)
        (g,) = torch.autograd.grad(loss, z, create_graph=True)
        (v,) = torch.autograd.grad(loss, y, create_graph=True)
        direction = v.detach()
        (Hv,) = torch.autograd.grad(g @ direction, z, retain_graph=True)
        (Kv,) = torch.autograd.grad(v @ direction, y)
        values = (v @ v, g @ g, g.sum(), g @ yhat, direction @ Kv, direction @ Hv)
        results.append([value.item() for value in values])
    return results


def apart(X: Tensor, w: Tensor, rest: Problems) -> list[tuple[Tensor, ...]]:
    """Split the configurations, in the usual layout (m, d)."""
    loss = rest.loss
    assert isinstance(loss, CrossEntropy)
    columns = (rest.gamma[:, 0], rest.beta[:, 0], rest.eps[:, 0])
    X, others = X.mT.contiguous(), loss.others.mT.contiguous()
    return list(zip(X, w, *columns, loss.readout, others, loss.label, strict=True))


def _loop() -> Row:
    """Compare with the loop."""
    X, w, rest = configurations(COUNT)
    few = rest.take(slice(0, LOOPED))
    one_by_one = apart(X[:LOOPED], w[:LOOPED], few)
    first = torch.tensor(looped(one_by_one), dtype=torch.float64)
    mine = torch.stack(ours(X[:LOOPED], w[:LOOPED], few), 1)
    difference = ((mine - first).abs() / first.abs().amax(0)).max().item()
    fast, loop = alternate(lambda: ours(X, w, rest), lambda: looped(one_by_one))
    note = f"{COUNT / fast:,.0f} per second; largest difference {difference:.0e} of the maximum"
    scale = COUNT / LOOPED
    return Row(WHAT, fast, loop * scale, "a loop with double backward", required=25, note=note)


def _hundreds() -> Row:
    """Compare with batched double backward."""
    X, w, rest = configurations(COUNT)
    some = (X[:BATCHED], w[:BATCHED], rest.take(slice(0, BATCHED)))
    fast, slow = alternate(lambda: ours(X, w, rest), lambda: batched(*some))
    return Row(WHAT, fast, slow * COUNT / BATCHED, "one double backward per 100 networks")


COMPARISONS = {"loop": _loop, "hundreds": _hundreds}
