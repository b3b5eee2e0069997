"""A counterexample decides though no random instance is one."""

from collections.abc import Iterator

import pytest
import sympy as sp

from bnproof.simulate import check
from bnproof.theory import symbols as sym
from bnproof.theory.claim import Claim, Counterexample, RandomTest, Scale, Settings, Verdict
from bnproof.theory.sources import Source

RARE = sp.Le(sym.gamma, 10**9)  # random gammas are far smaller


@pytest.fixture(autouse=True)
def _not_attacked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The adversary would meet it too."""
    monkeypatch.setattr(check, "_tightness", lambda claim, settings: None)
    return


def evidence(gamma: float | None):
    case = () if gamma is None else (Counterexample.of(y=[0, 1], b=[0, 1], gamma=gamma),)
    claim = Claim(
        id="rare",
        title="t",
        sources=(Source("derived", "test"),),
        statement="x",
        relation=RARE,
        control=sp.Le(sym.gamma, -1),
        checks=(RandomTest(sizes=(2,)), *case),
        expected=Verdict.REFUTED,
    )
    return check.check(claim, Settings(scale=Scale.SMOKE))


@pytest.mark.parametrize(
    ("gamma", "holds"),
    [(None, True), (0.9e9, True), (1.1e9, False)],
    ids=["none", "inside", "beyond"],
)
def test_what_random_instances_never_meet_is_not_ignored(gamma: float | None, holds: bool) -> None:
    found = evidence(gamma)
    assert found.numbers["violations"] == 0
    assert found.holds is holds
    assert found.control_differs is holds  # the control is violated, as it is to be if this holds
    excess = found.numbers.get("counterexample by autodiff, scaled excess", -1)
    assert (excess > 0) is not holds
