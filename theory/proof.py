"""Derivations whose every step SymPy checks, and the check that a derivation proves a relation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sympy as sp

from theory import symbols as sym
from theory.claim import Claim, Derived, Disproved, Evidence, Kind, Settings
from theory.gram import Vector
from theory.symbols import latex, text


class ProofError(Exception):
    """A step that SymPy does not confirm; the message names the step and the residual."""


@dataclass(frozen=True)
class Step:
    """One line of a derivation: words and, where there is one, the equation that was checked."""

    words: str
    latex: str = ""
    text: str = ""
    kind: str = "checked"  # "given": stated in words; "cited": a theorem taken from elsewhere


@dataclass(frozen=True)
class Term:
    """One summand of a slack, non-negative for a stated reason."""

    expr: sp.Expr
    reason: str


@dataclass(frozen=True)
class Proof:
    """A finished derivation.

    Attributes
    ----------
    steps
        What a reader sees, in order.
    values
        Letters of the relation expressed through the basic letters, as the derivation found them.
    slack
        For an inequality: terms whose sum is right side minus left side.
    equality
        When the inequality is an equality, in words.
    rests_on
        Theorems of others that the derivation uses.
    """

    steps: tuple[Step, ...]
    values: Mapping[sp.Symbol, sp.Expr]
    slack: tuple[Term, ...] = ()
    equality: str = ""
    rests_on: tuple[str, ...] = ()


@dataclass
class Derivation:
    """A derivation under construction: each `equal` is checked before it is written down."""

    steps: list[Step] = field(default_factory=list)
    values: dict[sp.Symbol, sp.Expr] = field(default_factory=dict)
    rests_on: list[str] = field(default_factory=list)

    def given(self, words: str, tex: str = "", plain: str = "") -> None:
        """Write down a definition or an argument in words, which SymPy does not check."""
        self.steps.append(Step(words, tex, plain or tex, kind="given"))

    def cite(self, words: str, theorem: str, tex: str = "") -> None:
        """Use a theorem proved elsewhere; it is listed in `Proof.rests_on`."""
        self.steps.append(Step(words, tex, tex, kind="cited"))
        self.rests_on.append(theorem)

    def equal(
        self,
        words: str,
        name: tuple[str, str],
        left: sp.Expr,
        right: sp.Expr,
        shown: sp.Expr | None = None,
    ) -> None:
        """Check ``left == right`` and write it down as ``name = right``.

        `name` is the left side in LaTeX and in text; `shown` is `right` in the letters in which
        it reads best, where those were expanded for the check.

        Raises
        ------
        ProofError
            If SymPy does not reduce the difference to 0.
        """
        rest = sp.simplify(left - right)
        if rest != 0:
            raise ProofError(f"{words}: residual {rest}")
        shown = right if shown is None else shown
        tex, plain = name
        self.steps.append(Step(words, f"{tex} = {latex(shown)}", f"{plain} = {text(shown)}"))

    def vectors(self, words: str, tex: str, plain: str, left: Vector, right: Vector) -> None:
        """Check that two vectors are equal, coefficient by coefficient, and write it down.

        Raises
        ------
        ProofError
            If a coefficient differs.
        """
        if not left.equals(right):
            raise ProofError(f"{words}: the difference has parts {(left - right).parts}")
        self.steps.append(Step(words, tex, plain))

    def value(
        self,
        letter: sp.Symbol,
        words: str,
        derived: sp.Expr,
        equivalent: sp.Expr,
        shown: sp.Expr | None = None,
    ) -> None:
        """Record that `letter` equals `derived`, checked against an `equivalent` form."""
        self.equal(words, (latex(letter), text(letter)), derived, equivalent, shown)
        self.values[letter] = equivalent

    def finish(self, slack: Sequence[Term] = (), equality: str = "") -> Proof:
        """Close the derivation."""
        return Proof(
            tuple(self.steps), dict(self.values), tuple(slack), equality, tuple(self.rests_on)
        )


def basic(expr: sp.Basic, domain: sp.Basic = sp.true) -> sp.Expr:
    """Write `expr` in the independent letters: sigma eliminated by ``s**2 = sigma**2 + eps``.

    Where the domain says ``eps = 0``, eps is set to 0 as well.
    """
    expr = expr.subs(sym.sigma, sp.sqrt(sym.s**2 - sym.eps))
    return expr.subs(sym.eps, 0) if implies_eps_zero(domain) else expr


def implies_eps_zero(domain: sp.Basic) -> bool:
    """Whether `domain` contains the condition ``eps = 0``."""
    return sp.Eq(sym.eps, 0) in sp.And.make_args(domain)


def residual(relation: sp.Basic, proof: Proof, domain: sp.Basic) -> sp.Expr:
    """Right side minus left side minus the slack, in basic letters, simplified."""
    total = relation.rhs - relation.lhs - sp.Add(*(term.expr for term in proof.slack))
    return sp.simplify(sp.expand(basic(total.subs(dict(proof.values)), domain)))


def non_negative(expr: sp.Expr, domain: sp.Basic = sp.true) -> bool:
    """Whether `expr` is non-negative by the assumptions on its letters and by `domain`.

    The domain counts where it says ``letter >= 0`` or ``letter > 0``: a hypothesis such as
    ``v'Hv >= 0``.
    """
    expr = expr.subs(sym.s, sp.sqrt(sym.sigma**2 + sym.eps))
    for part in sp.And.make_args(domain):
        if isinstance(part, sp.Ge | sp.Gt) and part.lhs.is_Symbol and part.rhs == 0:
            sign = {"positive": True} if isinstance(part, sp.Gt) else {"nonnegative": True}
            expr = expr.subs(part.lhs, sp.Dummy(part.lhs.name, **sign))
    return bool(expr.is_nonnegative)


def proves(proof: Proof, relation: sp.Basic, domain: sp.Basic = sp.true) -> bool:
    """Whether `proof` entails `relation` on `domain`.

    An equation needs residual 0 and no slack.  A weak inequality ``lhs <= rhs`` needs residual 0
    and a slack of terms each of which is non-negative.
    """
    if not isinstance(relation, sp.Eq | sp.LessThan):
        raise TypeError(f"a proof is for = or <=, not {type(relation).__name__}")
    if isinstance(relation, sp.Eq) and proof.slack:
        return False
    signs = all(non_negative(term.expr, domain) for term in proof.slack)
    return signs and residual(relation, proof, domain) == 0


def check(claim: Claim, settings: Settings) -> Evidence:
    """Carry out the claim's `Derived` means: derive, check, and see the control rejected.

    A derivation is exact and the same at every scale: `settings` is part of the common signature.
    """
    del settings
    way = claim.means_of(Derived)
    target, other = (
        (claim.control, claim.relation) if way.of_control else (claim.relation, claim.control)
    )
    proof = way.prove()
    holds = proves(proof, target, claim.domain)
    rejected = not proves(proof, other, claim.domain)
    what = "the corrected form" if way.of_control else "the statement"
    outcome = "confirms" if holds else "does not confirm"
    summary = f"SymPy {outcome} {what} in {len(proof.steps)} steps, for all its letters."
    if proof.slack:
        summary += f" Slack: {' + '.join(text(term.expr) for term in proof.slack)}."
    numbers = {
        "steps": len(proof.steps),
        "residual": text(residual(target, proof, claim.domain)),
        "slack": [{"term": text(term.expr), "because": term.reason} for term in proof.slack],
        "equality": proof.equality,
        "rests_on": list(proof.rests_on),
    }
    # A proof of the correction says nothing of the printed statement: the counterexample does.
    answer = None if way.of_control else (True if holds else None)
    return Evidence(
        Kind.PROOF,
        answer,
        holds and rejected,
        summary,
        numbers,
        {"sympy": sp.__version__},
        {"steps": proof.steps},
    )


def check_disproof(claim: Claim, settings: Settings) -> Evidence:
    """Carry out the claim's `Disproved` means: both sides derived, their difference of one sign.

    The equation fails in every case when right minus left is positive, or negative, by the
    assumptions on the letters alone.
    """
    del settings
    proof = claim.means_of(Disproved).prove()
    gap = residual(claim.relation, proof, claim.domain)
    fails = bool(gap.is_positive or gap.is_negative)
    control_holds = proves(proof, claim.control, claim.domain)
    summary = f"The two sides differ by {text(gap)} in every case: the statement is false."
    numbers = {
        "steps": len(proof.steps),
        "difference": text(gap),
        "rests_on": list(proof.rests_on),
    }
    return Evidence(
        Kind.COUNTEREXAMPLE,
        False if fails else None,
        control_holds,
        summary if fails else f"The difference {text(gap)} has no definite sign.",
        numbers,
        {"sympy": sp.__version__},
        {"steps": proof.steps},
    )
