"""Unsound claims: each must be refused when made, or stay undecided, for the reason beside it.

They are what an author could write who wants a false, an empty or an unproved statement to pass.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.claim import (
    Claim,
    Counterexample,
    Disproof,
    ExactCase,
    Proof,
    RandomTest,
    SpectrumTest,
    Verdict,
)
from bnproof.theory.claims.hessian import hessian_spectral_bound
from bnproof.theory.claims.weights import santurkar_4_5
from bnproof.theory.layer import batchnorm
from bnproof.theory.layer.curvature import gHg, lamH, lamK, ordered, shrink
from bnproof.theory.layer.minimax import RAY, d_ray
from bnproof.theory.normalizers.groups import AfAf, S, c_n, c_S, fn
from bnproof.theory.normalizers.groups import p as power
from bnproof.theory.normalizers.oblique import PLANE, nn, wf, wn, ww
from bnproof.theory.proving import lemmas
from bnproof.theory.proving.certificate import Term
from bnproof.theory.proving.derivation import Derivation, DerivationResult, Step
from bnproof.theory.sources import Source
from bnproof.theory.symbols import IDEAL, eps, g1, gamma, gg, gy, m, s, sigma, vHv, vKv, vv, vy
from bnproof.theory.training import backprop, sgd

LENGTH: Final = gamma**2 / s**2 * (gg - g1**2 / m - gy**2 / m - eps / s**2 * gy**2 / m)
BOUND: Final = gamma**2 / sigma**2 * (gg - g1**2 / m - gy**2 / m)
CENTRED: Final = sp.And(sp.Eq(c_n, 1), sp.Eq(c_S, 1), sp.Eq(eps, 0))
THREE_HALVES: Final = sp.Rational(3, 2) * AfAf / S**2  # false: 2.76 at p = 4, m = 100
AMPLIFIED: Final = (AfAf - 2 * fn * wf + ww * fn**2) / S**2
GAP: Final = sp.Rational(3, 2) - nn * ww
CURVED: Final = gamma**2 / s**2 * vHv - gamma / (m * s**2) * gy * vv
LACK: Final = sp.Symbol("(3/2 - |n|^2|w|^2), not negative", nonnegative=True)
FREE: Final = sp.Symbol("anything", real=True)
# What a claim file registers, with a sign or without, and an expression that says what it is.
OWN: Final = sym.symbol("author's lack", "a", "said to be positive", nonnegative=True)
PLAIN: Final = sym.symbol("author's number", "b", "no sign, and nothing measures it")
TRUE_LACK: Final = sym.derived("author's true lack", "c", "3/2 - |n|^2|w|^2", GAP)
BATCHNORM: Final = sp.And(CENTRED, sp.Eq(power, 4))
REST: Final = Term(nn * wf**2 / S**2, "a square"), Term(1 / S**2, "a square", PLANE.name)


@dataclass(frozen=True)
class Unsound:
    """A claim, made when it is called, and words of the reason for which it is refused."""

    name: str
    make: Callable[[], Claim]
    why: str


UNSOUND: Final[list[Unsound]] = []
NETWORKS: Final = RandomTest()


def add(
    name: str,
    why: str,
    relation: sp.Basic,
    values: Mapping[sp.Symbol, sp.Expr] | None = None,
    slack: Sequence[Term] = (),
    *,
    domain: sp.Basic = sp.true,
    control: sp.Basic | None = None,
    checks: tuple[Any, ...] = (),
    test: Any = NETWORKS,
) -> None:
    """Add a claim with values and a slack as its proof, or with `checks`."""

    def prove() -> Any:
        d = Derivation()
        d.equal("A step that is true", ("1", "1"), sp.Integer(1), sp.Integer(1))
        for symbol, value in (values or {}).items():
            d.value(symbol, "", value)
        return d.finish(slack)

    def make() -> Claim:
        means = checks or (Proof(prove), *([test] if test else []))
        other = sp.Eq(relation.lhs, relation.rhs + 1) if control is None else control
        return Claim(
            id=name,
            title=f"{name}.",
            sources=(Source("derived", "a test of soundness"),),
            statement="?",
            relation=relation,
            domain=domain,
            control=other,
            checks=means,
            expected=Verdict.PROVED,
        )

    UNSOUND.append(Unsound(name, make, why))


def _amplified(name: str, why: str, lack: sp.Expr, **more: Any) -> None:
    """The false theorem |v|^2 <= 3/2 |Af|^2/S^2, which rests on the sign of `lack`."""
    add(
        name,
        why,
        sp.Le(vv, THREE_HALVES),
        more.pop("values", {vv: THREE_HALVES - lack * AfAf / S**2}),
        more.pop("slack", [Term(lack * AfAf / S**2, "non-negative, says the author")]),
        domain=BATCHNORM,
        test=RandomTest(sizes=(3, 4, 5), sampler="normalizers"),
        **more,
    )


def _said(define: bool) -> Callable[[], Any]:
    """Theorem 4.1 with one more sentence, stated or called a definition by its author."""

    def prove() -> Any:
        d = Derivation()
        batchnorm.gradient_steps(d)
        (d.define if define else d.given)("So it holds", r"L = L", "L = L")
        return d.finish()

    return prove


add(
    "a_sentence_in_words",
    "is only stated: So it holds",
    sp.Le(vv, BOUND),
    domain=IDEAL,
    control=sp.Le(vv, BOUND / 2),
    checks=(Proof(_said(define=False)), NETWORKS),
)
add(
    "a_sentence_called_a_definition",
    "is only stated: So it holds",
    sp.Le(vv, BOUND),
    domain=IDEAL,
    control=sp.Le(vv, BOUND / 2),
    checks=(Proof(_said(define=True)), NETWORKS),
)

# Signs and symbols that an author brings along.
_amplified("sign_of_a_letter", "neither measured nor an expression", LACK)
_amplified("sign_of_a_registered_letter", "is not negative", OWN)
_amplified("square_of_a_letter", "neither measured nor an expression", FREE**2)
_amplified("square_of_a_registered_letter", "does not measure author's number", PLAIN**2)
_amplified("sign_of_a_derived_symbol", "in the slack is not negative", TRUE_LACK)
_amplified("absolute_value", "could hide an inequality", sp.Abs(GAP))
_amplified("root_of_a_square", "could hide an inequality", sp.sqrt(sp.expand(GAP**2)))
_amplified(
    "root_of_nearly_a_square", "could hide", sp.sqrt(sp.expand(GAP**2) + sp.Rational(1, 10**30))
)
_amplified("maximum", "could hide an inequality", sp.Max(GAP, 0))
_amplified("sign_function", "could hide an inequality", GAP * sp.sign(GAP))
_amplified(
    "case_distinction", "not allowed in an expression", sp.Piecewise((GAP, GAP > 0), (0, True))
)
_amplified(
    "value_for_a_derived_symbol",
    "takes no other value",
    TRUE_LACK,
    values={vv: THREE_HALVES - TRUE_LACK * AfAf / S**2, TRUE_LACK: nn**2},
)
_amplified("no_such_lemma", "there is no lemma", GAP, slack=[Term(AfAf / S**2, "lemma", "mine")])
_amplified(
    "negative_factor_of_a_lemma",
    "is not negative",
    GAP,
    values={vv: AMPLIFIED, wn: sp.Integer(1)},
    slack=[Term((GAP - 1) / S**2, "a square", PLANE.name)],
)
_amplified(
    "slack_that_does_not_add_up",
    "do not differ by the slack",
    GAP,
    values={vv: AMPLIFIED, wn: sp.Integer(1)},
    slack=[*REST, Term(AfAf / S**2, "and a half")],
)


def _own_lemma() -> Claim:
    lemmas.extreme("the author's lemma", GAP)
    raise AssertionError("a claim stated a lemma")


UNSOUND.append(Unsound("lemma_of_a_claim", _own_lemma, "a lemma is stated in bnproof.theory"))

# Values that are false.
VANISHING: Final = sp.prod([eps - sp.Rational(str(value)) for value in (0, 1e-5, 1e-3, 0.1)])
add("false_value", "the proof assumes |v|^2 = 0", sp.Eq(vv, 0), {vv: sp.Integer(0)})
add(
    "half_of_an_identity",
    "the proof assumes |v|^2",
    sp.Le(vv, LENGTH / 2),
    {vv: LENGTH / 2},
)
add(
    "false_but_at_the_usual_eps",
    "the proof assumes |v|^2",
    sp.Le(vv, LENGTH + gg),
    {vv: LENGTH + gg - gg * VANISHING**2},
    [Term(gg * VANISHING**2, "a square")],
)
SIZES: Final = (2, 3, 8)
add(
    "false_but_at_the_chosen_sizes",
    "the proof assumes |v|^2",
    sp.Eq(vv, LENGTH + gg * sp.prod([m - size for size in SIZES])),
    {vv: LENGTH + gg * sp.prod([m - size for size in SIZES])},
    test=RandomTest(sizes=SIZES),
)
add(
    "gamma_of_one_sign",
    "the proof assumes |grad_yhat L|",
    sp.Eq(sym.grad_yhat, gamma * sp.sqrt(gg)),
    {sym.grad_yhat: gamma * sp.sqrt(gg)},
)
add(
    "theorem_4_2_for_every_eps",
    "the proof assumes v'Kv",
    sp.Eq(vKv, CURVED),
    {vKv: CURVED},
    domain=sym.REGULAR,
)
add(
    "symbol_of_another_sampler",
    "does not measure",
    sp.Eq(sgd.noise, sgd.alpha**2 * sgd.C / sgd.B),
    {sgd.noise: sgd.alpha**2 * sgd.C / sgd.B},
)

# Expressions that are not defined everywhere.
add(
    "division_by_gamma",
    "it is not established that gamma is not 0",
    sp.Eq(sigma**2 * vv / gamma**2, sigma**2 / gamma**2 * BOUND),
    {vv: BOUND.subs(sigma, s)},
    domain=IDEAL,
)
add(
    "division_by_a_length",
    "it is not established that |g|^2 is not 0",
    sp.Le(vv / gg, gamma**2 / sigma**2),
    {vv: BOUND.subs(sigma, s)},
    [Term(gamma**2 / (sigma**2 * m * gg) * (g1**2 + gy**2), "squares")],
    domain=IDEAL,
)
add(
    "division_by_m_minus_1",
    "it is not established that m - 1 is not 0",
    sp.Eq(vv / (m - 1), BOUND / (m - 1)),
    {vv: BOUND.subs(sigma, s)},
    domain=IDEAL,
)
add(
    "root_of_any_sign",
    "is not negative",
    sp.Eq(sp.sqrt(gy) * vv, sp.sqrt(gy) * LENGTH),
    {vv: LENGTH},
)
add(
    "logarithm_of_any_sign",
    "it is not established that gamma is positive",
    sp.Eq(vv * sp.log(gamma), LENGTH * sp.log(gamma)),
    {vv: LENGTH},
)
add(
    "division_in_the_slack",
    "it is not established that <g,yhat> is not 0",
    sp.Le(vv, LENGTH + gg),
    {vv: LENGTH},
    [Term(gg, "a square"), Term(gg / gy**2, "positive"), Term(-gg / gy**2, "and taken away")],
)

# Domains without a witness.
add(
    "empty_domain",
    "lies in the domain",
    sp.Eq(vv, LENGTH - 1),
    {vv: LENGTH - 1},
    domain=sp.And(sp.Gt(gamma, 1), sp.Lt(gamma, 0)),
)
add(
    "empty_domain_of_eps",
    "excludes every eps",
    sp.Eq(vv, LENGTH - 1),
    {vv: LENGTH - 1},
    domain=sp.And(sp.Eq(eps, 0), sp.Gt(eps, sigma / 2), sp.Lt(sigma, eps)),
)
add(
    "empty_domain_of_derived_symbols",
    "lies in the domain",
    sp.Eq(vv, LENGTH - 1),
    {vv: LENGTH - 1},
    domain=sp.And(sp.Ge(shrink, 0), sp.Gt(gamma**2, sigma**2)),
)
add(
    "domain_of_measure_zero",
    "both sides are 0 on",
    sp.Eq(vv, gamma**2 / s**2 * (gg - 2 * g1**2 / m)),
    {vv: gamma**2 / s**2 * (gg - 2 * g1**2 / m)},
    domain=sp.Eq(gy, 0),
)
add(
    "domain_beyond_every_sampler",
    "lies in the domain",
    sp.Eq(vv, LENGTH),
    {vv: LENGTH},
    domain=sp.Gt(m, 10_000),
)
add(
    "no_normaliser",
    "excludes every normaliser",
    sp.Eq(vv, 2 * AfAf / S),
    {vv: 2 * AfAf / S},
    domain=sp.And(CENTRED, sp.Eq(power, 17)),
    test=RandomTest(sampler="normalizers"),
)

# One path alone.
INVENTED: Final = ExactCase(
    "invented values",
    lambda: {
        vv: sp.Integer(2),
        gg: sp.Integer(1),
        g1: sp.Integer(0),
        gy: sp.Integer(0),
        m: sp.Integer(2),
        gamma: sp.Integer(1),
        sigma: sp.Integer(1),
        s: sp.Integer(1),
        eps: sp.Integer(0),
    },
)


def _derivation() -> Any:
    d = Derivation()
    batchnorm.gradient_steps(d)
    return d.finish()


add("proof_alone", "needs an independent path", sp.Eq(vv, LENGTH), {vv: LENGTH}, test=None)
add(
    "disproof_alone",
    "needs an independent path",
    sp.Eq(vv, LENGTH + 1),
    checks=(Disproof(_derivation),),
)
add(
    "invented_data_alone",
    "needs an independent path",
    sp.Le(vv, BOUND),
    domain=IDEAL,
    checks=(INVENTED,),
)
add(
    "data_alone",
    "needs an independent path",
    sp.Le(vv, BOUND / 2),
    domain=IDEAL,
    checks=(Counterexample.of(y=[1, 1, -1, -1], b=[1, -1, 0, 0]),),
)
add(
    "proof_beside_another_study",
    "needs an independent path",
    sp.Eq(vv, 0),
    checks=(Proof(_derivation), SpectrumTest(study="law", statement="s^2", control="s")),
)
add(
    "invented_data",
    "it holds by random instances",
    sp.Le(vv, BOUND),
    domain=IDEAL,
    control=sp.Eq(vv, 2),
    checks=(INVENTED, RandomTest()),
)
add(
    "disproof_by_a_letter",
    "not measured",
    sp.Eq(vv, LENGTH),
    checks=(Disproof(lambda: _lettered()), RandomTest()),
)


def _lettered() -> Any:
    d = Derivation()
    batchnorm.gradient_steps(d)
    d.value(vv, "", LENGTH + 1 + LACK)
    return d.finish()


# Controls that cannot fail, and statements that say nothing.
add(
    "control_is_the_statement",
    "the control",
    sp.Eq(vv, LENGTH),
    {vv: LENGTH},
    control=sp.Eq(vv, LENGTH),
)
add(
    "control_is_weaker",
    "the control",
    sp.Le(vv, LENGTH),
    {vv: LENGTH},
    control=sp.Le(vv, LENGTH + gamma**2 * gg),
)
add(
    "nothing_but_zeros",
    "both sides are 0 on",
    sp.Le(vy**2, vy**2 / 2),
    {vy: gy * gamma * eps / s**3},
    domain=IDEAL,
    control=sp.Le(gg, vy**2),
)
add("strict_inequality", "a proof is for", sp.Lt(vv, LENGTH + 1), {vv: LENGTH})
add(
    "equation_with_a_slack",
    "an equation has no slack",
    sp.Eq(vv, LENGTH + gg),
    {vv: LENGTH},
    [Term(gg, "a square")],
)

# Hypotheses that say less than they are used for.
add(
    "hypothesis_below_zero",
    "is not negative",
    sp.Le(vKv, vKv + vHv),
    {},
    [Term(vHv, "hypothesis")],
    domain=sp.Ge(vHv, -5),
)
add(
    "hypothesis_beside_zero",
    "it is not established that gamma is not 0",
    sp.Eq(vv / gamma**2, LENGTH / gamma**2),
    {vv: LENGTH},
    domain=sp.Ne(gamma, 1),
)
add(
    "hypothesis_of_another_symbol",
    "is not negative",
    sp.Le(vHv, gHg),
    {},
    [Term(ordered, "hypothesis")],
    domain=sp.Ge(vHv, 0),
    test=RandomTest(sampler="weights"),
)
add(
    "hypothesis_upside_down",
    "is not negative",
    sp.Le(vHv, gHg),
    {},
    [Term(ordered, "hypothesis")],
    domain=sp.Le(ordered, 0),
    test=RandomTest(sampler="weights"),
)
add(
    "hypothesis_that_is_an_alternative",
    "is not negative",
    sp.Le(vHv, gHg),
    {},
    [Term(ordered, "hypothesis")],
    domain=sp.Or(sp.Ge(ordered, 0), sp.Ge(vHv, 0)),
    test=RandomTest(sampler="weights"),
)

# Errors too small to measure, and errors where the author does not look.
TRILLIONTH: Final = 1 + sp.Rational(1, 10**14)
add(
    "error_below_rounding",
    "which fails where",
    sp.Eq(vv, LENGTH * TRILLIONTH),
    {vv: LENGTH * TRILLIONTH},
)
SMALL: Final = sp.prod([m - size for size in range(2, 65)])
add(
    "false_beyond_small_batches",
    "the proof assumes |v|^2",
    sp.Eq(vv, LENGTH + gg * SMALL),
    {vv: LENGTH + gg * SMALL},
    test=RandomTest(sizes=(8,), sampler="weights"),
)
NOISE: Final = sgd.alpha**2 * sgd.C / sgd.B * (sgd.N - 1)
add(
    "false_but_for_two_examples",
    "the proof assumes E|error|^2",
    sp.Eq(sgd.noise, NOISE),
    {sgd.noise: NOISE},
    test=RandomTest(sizes=(2,), sampler="sgd"),
)
add(
    "false_but_for_two_classes",
    "the proof assumes negative at true class",
    sp.Eq(backprop.negative_true, backprop.classes - 1),
    {backprop.negative_true: backprop.classes - 1},
    test=RandomTest(sizes=(2,), sampler="cross_entropy"),
)

# Domains that are empty but for rounding.
for _name, _domain in (
    ("positive_by_rounding", sp.Gt(sym.hat_mean, 0)),
    ("not_zero_by_rounding", sp.Ne(sym.hat_mean, 0)),
    ("above_a_tiny_number_by_rounding", sp.Ge(sym.hat_mean, sp.Rational(1, 10**18))),
    ("one_of_two_by_rounding", sp.Or(sp.Gt(sym.hat_mean, 0), sp.Lt(sym.hat_mean, 0))),
):
    add(
        _name,
        "lies in the domain",
        sp.Le(vv, LENGTH),
        {vv: LENGTH},
        domain=_domain,
        control=sp.Le(vv, LENGTH / 2),
    )
add(
    "domain_with_an_index",
    "has an index",
    sp.Eq(vv, LENGTH),
    {vv: LENGTH},
    domain=sp.Gt(sym.yhat_k, 0),
)

# Statements that their own hypotheses imply.
HALF: Final = sp.Le(vv, gg / 2)
for _name, _hypothesis in (
    ("hypothesis_is_the_statement", HALF),
    ("hypothesis_is_the_statement_rearranged", sp.Ge(gg, 2 * vv)),
    ("hypothesis_is_a_stronger_statement", sp.Le(vv, gg / 3)),
):
    add(
        _name,
        "follows from its hypotheses alone",
        HALF,
        {},
        [Term(gg / 2 - vv, "by hypothesis")],
        domain=_hypothesis,
        control=sp.Le(vv, gg / 1000),
    )
add(
    "equation_is_its_hypothesis",
    "follows from its hypotheses alone",
    sp.Eq(ordered, gHg - vHv),
    {},
    test=RandomTest(sampler="weights"),
)
add(
    "nothing_but_a_sign",
    "not BooleanTrue",
    sp.Le(vv, vv + gg),
    {},
    [Term(gg, "a square")],
    control=sp.Le(gg, vv / 2),
)


# Theorems without a name, and derivations written down by hand.
def _uncited() -> Any:
    d = Derivation()
    d.cite("By a theorem of somebody", "")
    d.value(vv, "", LENGTH)
    return d.finish()


add(
    "theorem_without_a_reference",
    "without the reference of its theorem",
    sp.Eq(vv, LENGTH),
    checks=(Proof(_uncited), NETWORKS),
)


def _by_hand() -> Any:
    step = Step("Checked, says the author", kind="checked")
    return DerivationResult((step,), {vv: LENGTH / 2}, (), ())


add(
    "derivation_by_hand",
    "the proof assumes |v|^2",
    sp.Eq(vv, LENGTH / 2),
    checks=(Proof(_by_hand), NETWORKS),
)


class _Silent(DerivationResult):
    """Hides that its step is only stated."""

    def gap(self) -> str:
        return ""


def _result(made: type[DerivationResult], *steps: Step) -> Callable[[], DerivationResult]:
    return lambda: made(steps, {vv: LENGTH}, (), ())


def _written(name: str, why: str, prove: Callable[[], Any]) -> None:
    """What Theorem 4.1 is derived from, true but without a derivation."""
    add(name, why, sp.Eq(vv, LENGTH), checks=(Proof(prove), NETWORKS))


SAID: Final = Step("So it holds", kind="given")
_written("values_without_a_derivation", "no step is checked", _result(DerivationResult))
_written("result_that_hides_its_gap", "prove returned a _Silent", _result(_Silent, SAID))
_written(
    "step_of_a_kind_of_its_own",
    "a step is 'obvious'; the kinds are",
    _result(DerivationResult, Step("So it holds", kind="obvious")),
)
_written("no_derivation", "prove returned a NoneType", lambda: None)

# Values that hide what they are.
_amplified("inverse_cosine_of_a_cosine", "is not negative", sp.acos(sp.cos(GAP)))
_amplified("exponential_of_a_logarithm", "could hide", sp.exp(sp.log(GAP**2) / 2))
_amplified("fourth_root", "could hide", (GAP**4 + nn) ** sp.Rational(1, 4))
SHOWN: Final = sp.Abs(GAP) * AfAf / S**2
add(
    "absolute_value_in_the_statement",
    "the proof assumes |v|^2",
    sp.Le(vv + SHOWN, THREE_HALVES + SHOWN),
    {vv: THREE_HALVES - SHOWN},
    [Term(SHOWN, "an absolute value")],
    domain=BATCHNORM,
    test=RandomTest(sizes=(3, 4, 5), sampler="normalizers"),
)

# Signs and values of what has none.
add(
    "convex_loss_by_assumption",
    "is not negative",
    sp.Le(vv, LENGTH + vHv),
    {vv: LENGTH},
    [Term(vHv, "the loss is convex, says the author")],
)
add(
    "value_of_a_parameter",
    "the proof assumes gamma = 1",
    sp.Eq(gamma**2, gamma),
    {gamma: sp.Integer(1)},
)
add("values_in_a_circle", "do not differ by the slack", sp.Eq(vv, gg), {vv: gg, gg: vv})
add(
    "infinite_slack",
    "it is not established that oo in the slack",
    sp.Le(vv, LENGTH),
    {vv: LENGTH},
    [Term(sp.oo, "as large as you like")],
)
add(
    "negative_slack",
    "in the slack is not negative",
    sp.Le(vv, LENGTH - gg),
    {vv: LENGTH},
    [Term(-gg, "said to be positive")],
)
add(
    "statement_about_infinity",
    "not BooleanTrue",
    sp.Le(vv, sp.oo, evaluate=False),
    {vv: LENGTH},
    [Term(sp.oo, "infinite")],
)
ALONG: Final = (gamma**2 * lamH - gamma * gy / m) / sigma**2
add(
    "division_by_a_part_that_may_vanish",
    "it is not established that |Qe|^2 is not 0",
    sp.Le(lamK**2, lamK * ALONG + vv / (m * sigma**2)),
    checks=(Proof(hessian_spectral_bound.prove), RandomTest(sampler="weights")),
    domain=sp.And(IDEAL, sp.Ne(gamma, 0), sp.Ne(lamK, 0)),
)
add(
    "division_by_a_vector_that_may_be_0",
    "it is not established that |W*|^2 is not 0",
    sp.Eq(d_ray, RAY),
    checks=(Proof(santurkar_4_5.prove), RandomTest(sizes=(8,), sampler="weights")),
)

# Disproofs.
add(
    "disproof_where_nothing_is_defined",
    "it is not established that <g,yhat> is not 0",
    sp.Eq(vv / gy**2, LENGTH / gy**2 + 1),
    checks=(Disproof(_derivation), NETWORKS),
    control=sp.Eq(vv, LENGTH + 1),
)

# Numbers, functions and sums that are not what they seem.
TINY: Final = 1 + sp.Rational(1, 10**30)
EXPANDED: Final = sp.expand(LENGTH)
add(
    "float_that_swallows_a_difference",
    "not allowed in an expression",
    sp.Eq(vv, sp.expand(EXPANDED * TINY)),
    {vv: sp.expand(EXPANDED * sp.Float(1))},
)


def _slack(name: str, why: str, more: sp.Expr) -> None:
    """|v|^2 <= what it is + `more`, which is not always positive."""
    add(name, why, sp.Le(vv, LENGTH + more), {vv: LENGTH}, [Term(more, "positive, it seems")])


_slack("rounded_down", "not allowed in an expression", sp.floor(vHv))
_slack(
    "undefined_function",
    "not allowed in an expression",
    sp.Function("f", nonnegative=True)(gg),
)
_slack("angle_of_a_sign", "not allowed", vHv * (1 - 2 * sp.atan2(0, vHv) / sp.pi))
_slack("integral", "not allowed in an expression", sp.Integral(-gg, (sp.Symbol("q"), 0, 1)))
_slack("sum_to_a_length", "in the slack is not negative", sp.Sum(-1, (sp.Symbol("q"), 1, gg)))
_slack("square_of_an_imaginary_root", "is not negative", (sp.I * sp.sqrt(gg)) ** 2)
_slack("square_of_a_root", "is not negative", sp.sqrt(vHv) ** 2)
_slack("unnamed_symbol", "not allowed in an expression", sp.Dummy("x", nonnegative=True))


class _Positive(sp.Symbol):
    """A symbol that has the name of another and says that it is not negative."""

    is_nonnegative = True


_slack("symbol_in_disguise", "not allowed in an expression", _Positive(vHv.name, real=True))
add(
    "sign_of_the_batch_size",
    "do not differ by the slack",
    sp.Eq(vv, LENGTH * (-1) ** m),
    {vv: LENGTH},
    test=RandomTest(sizes=(2, 4, 64)),
)
add(
    "value_of_an_expression",
    "do not differ by the slack",
    sp.Le(vv, BOUND / 2),
    domain=IDEAL,
    checks=(Proof(lambda: DerivationResult((Step("A step"),), {2 * vv: BOUND})), NETWORKS),
)

# Controls that are the statement in other words.
for _name, _why, _form in (
    ("control_is_a_multiple", "proves the control", (vv * s**4, sp.expand(LENGTH * s**4))),
    (
        "control_is_equal_by_a_definition",
        "proves the control",
        (vv, LENGTH + (s**2 - sigma**2 - eps) * gg),
    ),
    (
        "control_is_off_by_less_than_rounding",
        "the control gets the same answer",
        (vv, LENGTH * (1 + sp.Rational(1, 10**25))),
    ),
    ("control_is_undefined", "not finite", (vv, LENGTH / (s**2 - sigma**2 - eps))),
):
    add(_name, _why, sp.Eq(vv, LENGTH), {vv: LENGTH}, control=sp.Eq(*_form))
