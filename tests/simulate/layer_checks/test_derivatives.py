"""Every route takes the derivative that its name says, in the way that its name says."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bnproof.simulate.layer_checks import derivatives
from bnproof.simulate.layer_checks.derivatives import GRADIENTS, HESSIANS, JACOBIANS, first_rows
from bnproof.simulate.layer_checks.results import Status
from bnproof.simulate.layer_checks.wrong import Batch

TRANSFORMS = ("vmap", "jvp", "jacfwd", "jacrev", "hessian", "grad")
ROUTES = JACOBIANS | GRADIENTS | HESSIANS


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The transforms that are at work, the outermost first, whenever it is looked at."""
    at_work: list[str] = []

    def while_it_runs(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def noted(*args: Any, **kwargs: Any) -> Any:
            at_work.append(name)
            try:
                return call(*args, **kwargs)
            finally:
                at_work.pop()

        return noted

    for name in TRANSFORMS:
        transform = getattr(derivatives, name)
        if name == "jvp":
            patched = while_it_runs(name, transform)
        else:  # those return a function, which is what runs

            def patched(f: Any, transform: Any = transform, name: str = name) -> Any:
                return while_it_runs(name, transform(f))

        monkeypatch.setattr(derivatives, name, patched)
    return at_work


@pytest.mark.parametrize("name", ROUTES)
def test_a_route_is_the_one_that_its_name_says(name: str, within: list[str]) -> None:
    seen: set[tuple[str, ...]] = set()

    def function(t: Tensor) -> Tensor:
        seen.add(tuple(within))
        value = torch.stack([t.prod(), (t * t).sum()])
        return value if name in JACOBIANS else value.prod()

    t = torch.tensor([2.0, 3.0], dtype=torch.float64)
    found = ROUTES[name](function, t)
    assert seen == {tuple(re.findall("|".join(TRANSFORMS), name))}
    a, b = t.tolist()
    exact = {  # of (ab, a^2 + b^2), and of the product of the two
        1: [[b, a], [2 * a, 2 * b]],
        2: [3 * a * a * b + b**3, a**3 + 3 * a * b * b],
        3: [[6 * a * b, 3 * a * a + 3 * b * b], [3 * a * a + 3 * b * b, 6 * a * b]],
    }[1 if name in JACOBIANS else 2 if name in GRADIENTS else 3]
    torch.testing.assert_close(found, torch.tensor(exact, dtype=torch.float64))


def test_batched_double_backward_is_batched(monkeypatch: pytest.MonkeyPatch) -> None:
    batched = []
    real = torch.autograd.grad

    def noted(*args: Any, **kwargs: Any) -> Any:
        batched.append(kwargs.get("is_grads_batched", False))
        return real(*args, **kwargs)

    monkeypatch.setattr(torch.autograd, "grad", noted)
    for name, last in (("double backward, batched", True), ("double backward", False)):
        HESSIANS[name](lambda t: (t * t * t).sum(), torch.ones(2, dtype=torch.float64))
        assert batched.pop() is last


@pytest.mark.parametrize("route", ["jvp", "backward"])
def test_what_is_wrong_in_one_entry_by_one_route_fails_there(
    trial_of: Callable[..., Any], route: str
) -> None:
    class Odd(torch.autograd.Function):
        """The identity; by one route, the derivative of its last entry is a little too large."""

        generate_vmap_rule = True

        @staticmethod
        def forward(x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            pass

        @staticmethod
        def last(g: Tensor, size: float) -> Tensor:
            factor = torch.ones_like(g)
            factor[-1, -1] += size
            return g * factor

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return Odd.last(g, 1e-6 if route == "backward" else 0.0)

        @staticmethod
        def jvp(ctx: Any, h: Tensor) -> Tensor:
            return Odd.last(h, 1e-6 if route == "jvp" else 0.0)

    class Layer(nn.Module):
        def __init__(self, _: object) -> None:
            super().__init__()
            self.right = Batch(3)
            self.weight, self.bias = self.right.weight, self.right.bias

        def forward(self, x: Tensor) -> Tensor:
            return self.right(Odd.apply(x))

    rows = {row.check: row.outcome for row in first_rows(trial_of(Layer))}
    forward, backward = {rows["jvp"], rows["jacfwd"]}, {rows["backward"], rows["grad"]}
    assert forward == {Status.FAULT if route == "jvp" else Status.PASS}
    assert backward == {Status.FAULT if route == "backward" else Status.PASS}
