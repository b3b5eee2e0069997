"""A certificate as a theorem: nothing of its statement is left out, and nothing can be smuggled."""

import pytest
import sympy as sp

from bnproof.theory.kernel.export import theorem
from bnproof.theory.kernel.terms import NotExportedError
from bnproof.theory.proving.certificate import Certificate, Term
from bnproof.theory.symbols import eps, g1, gamma, gg, m, s, sigma, vv

a = sp.Symbol("a", real=True)
b = sp.Symbol("b", positive=True)
n = sp.Symbol("n", integer=True, positive=True)


def statement(source: str) -> list[str]:
    """The lines between the theorem's name and its proof."""
    return [line.strip() for line in source.split("Theorem ")[1].split("Proof.")[0].splitlines()]


def test_the_statement_holds_signs_domain_rules_conditions_and_relation():
    certificate = Certificate(
        sp.Le(a / b, n), sp.Ge(n, 2) & sp.Ne(a, 0), {a: b - b / n}, (Term(n - 1 + 1 / n, "why"),)
    )
    assert statement(theorem("t", certificate).source) == [
        "t :",
        "forall a b n : R,",
        "0 < b ->",
        "1 <= n ->",
        "n >= 2 ->",
        "a <> 0 ->",
        "a = b - b / n ->",
        "(n <> 0) /\\",
        "(b <> 0) /\\",
        "(a / b <= n).",
    ]


def test_what_s_is_belongs_to_the_statement_where_it_and_sigma_occur():
    both = theorem("t", Certificate(sp.Le(sigma, s), sp.true, {}, (Term(s - sigma, ""),)))
    assert "s ^ 2 = eps + sigma ^ 2 ->" in statement(both.source)
    one = theorem("t", Certificate(sp.Eq(a, s), sp.true, {a: s}))
    assert not any("sigma" in line for line in statement(one.source))


def test_symbols_of_a_layer_are_replaced_by_their_definitions_too():
    found = theorem("t", Certificate(sp.Eq(gg, g1), sp.Eq(eps, 0), {gg: g1}))
    assert found.scope == "from the definition of the layer"
    second = found.source.split("Theorem t_from_definition :")[1]
    for line in (
        "gradient m L (z m eps gamma beta y) g ->",
        "eps = 0 ->",
        "(dot m g g = sum m g).",
    ):
        assert line in second
    assert "gradient m L" not in found.source.split("t_from_definition")[0]


def test_other_symbols_are_not():
    found = theorem("t", Certificate(sp.Eq(a, gg), sp.true, {a: gg}))
    assert found.scope == "from its rules"
    assert "from_definition" not in found.source


def test_every_condition_is_shown_before_it_is_used():
    certificate = Certificate(
        sp.Le(vv, gamma**2 / s**2 * gg), sp.true, {vv: gamma**2 / s**2 * (gg - g1**2 / m)}
    )
    found = theorem("t", certificate)
    aims = [found.aims[line] for line in sorted(found.aims)]
    assert set(aims[:2]) == {"m is not 0", "s is not 0"}
    assert aims[2] == "the two sides differ by the slack"


def test_names_cannot_leave_their_place():
    evil = sp.Symbol("x : R. Axiom absurd : False. (*", real=True)
    found = theorem("t", Certificate(sp.Eq(evil, 0), sp.true, {}, (Term(a, "*) Axiom absurd."),)))
    assert "Axiom" not in found.source.replace("x_R_Axiom_absurd_False", "")


@pytest.mark.parametrize(
    "relation", [sp.Lt(a, b), sp.Ne(a, b), sp.Or(a < b, b < 1), sp.Le(sp.sin(a), 1), a]
)
def test_what_is_no_theorem_is_refused(relation):
    with pytest.raises(NotExportedError):
        theorem("t", Certificate(relation, sp.true, {}))
