"""A claim file that changes the package is refused, and the package is as it was."""

from pathlib import Path

import pytest
import sympy as sp

from bnproof.theory import symbols as sym
from bnproof.theory.claim import Claim, Proof, RandomTest, Settings, Verdict
from bnproof.theory.layer.minimax import OVERLAP
from bnproof.theory.loading import LoadError, files_in
from bnproof.theory.prove import check
from bnproof.theory.proving import certificate, gram, lemmas
from bnproof.theory.proving.derivation import Derivation, DerivationResult
from bnproof.theory.proving.lemmas import LEMMAS, Lemma
from bnproof.theory.sources import Source
from bnproof.theory.symbols import SYMBOLS, gg, vHv, vv

START = """
import sympy as sp
from bnproof.theory import prove, symbols as sym
from bnproof.theory.proving import certificate, gram, lemmas, signs
from bnproof.theory.proving.lemmas import Lemma
lie = Lemma("convex", sym.vHv, lemmas.EXTREME)
"""
HOSTILE = {
    "a symbol by assignment": ("sym.SYMBOLS[sp.Symbol('q')] = None", "item assignment"),
    "a lemma by assignment": ("lemmas.LEMMAS['convex'] = lie", "item assignment"),
    "a lemma behind the view": ("lemmas._LEMMAS['convex'] = lie", "lemmas._LEMMAS, by convex"),
    "another table of lemmas": ("certificate.LEMMAS = {'convex': lie}", "certificate.LEMMAS"),
    "a lemma under a false name": (
        "__name__ = 'bnproof.theory.layer.mine'\nlemmas.extreme('convex', sym.vHv)",
        "a lemma is stated in bnproof.theory, not in",
    ),
    "a sign under a false name": (
        "__name__ = 'bnproof.theory.layer.mine'\nlemmas.positive(sym.gg, None)",
        "a sign is stated in bnproof.theory, not in",
    ),
    "a lemma that says more": (
        "vars(lemmas.LEMMAS['Cauchy-Schwarz for W* and W0'])['expression'] = sym.vHv",
        "changes the entry Lemma",
    ),
    "a symbol that is another": (
        "vars(sym.SYMBOLS[sym.vHv])['expression'] = sym.gg",
        "changes the entry SymbolInfo",
    ),
    "no flaws": (
        "certificate.Certificate.flaws = lambda self: iter(())",
        "changes bnproof.theory.proving.certificate.Certificate.flaws",
    ),
    "every sign": (
        "certificate.non_negative = lambda *args: True",
        "changes bnproof.theory.proving.certificate.non_negative",
    ),
    "everything is 0": (
        "gram.is_zero.__code__ = (lambda expr: True).__code__",
        "changes bnproof.theory.proving.gram.is_zero",
    ),
    "no audit": ("prove.audit.reason = lambda *args: ''", "changes bnproof.theory.exact.audit"),
    "fewer symbols": ("del sym._SYMBOLS[sym.vHv]", "changes bnproof.theory.symbols._SYMBOLS.v'Hv"),
}


@pytest.fixture
def _unchanged():
    before = (dict(SYMBOLS), dict(LEMMAS), certificate.Certificate.flaws, gram.is_zero.__code__)
    said = OVERLAP.expression
    yield
    after = (dict(SYMBOLS), dict(LEMMAS), certificate.Certificate.flaws, gram.is_zero.__code__)
    assert before == after
    assert certificate.LEMMAS is LEMMAS
    assert SYMBOLS[vHv].expression is None
    assert OVERLAP.expression == said


@pytest.mark.usefixtures("_unchanged")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_changes_the_package_does_not_load(name: str, tmp_path: Path) -> None:
    code, why = HOSTILE[name]
    # The claim itself would load.
    whole = f"{START}{code}\nfrom bnproof.theory.claims.gradient.santurkar_4_1 import CLAIM\n"
    (tmp_path / "santurkar_4_1.py").write_text(whole)
    found = files_in(tmp_path)["santurkar_4_1"]()
    assert isinstance(found, LoadError)
    assert why in found.error
    assert "\n" not in found.error


def _cheat() -> DerivationResult:
    certificate.Certificate.flaws = lambda self: iter(())  # type: ignore[method-assign]
    return Derivation().finish()


def _lie() -> DerivationResult:
    lemmas._LEMMAS["convex"] = Lemma("convex", vHv, lemmas.EXTREME)
    return Derivation().finish()


@pytest.mark.usefixtures("_unchanged")
@pytest.mark.parametrize("prove", [_cheat, _lie])
def test_a_derivation_that_changes_the_package_proves_nothing(prove) -> None:
    claim = Claim(
        id="cheat",
        title="A cheat.",
        sources=(Source("derived", "a test of soundness"),),
        statement="?",
        relation=sp.Le(vv, gg),
        control=sp.Le(vv, gg / 2),
        checks=(Proof(prove), RandomTest()),
        expected=Verdict.PROVED,
    )
    with pytest.raises(ValueError, match="a claim may use bnproof, not change it"):
        check(claim, Settings())


def test_a_definition_under_a_false_name_is_only_stated() -> None:
    space = {"__name__": "bnproof.theory.layer.mine", "d": Derivation(), "sym": sym}
    exec("d.define('So it holds', 'L', 'L')", space)
    assert space["d"].finish().gap() == "step 1 is only stated: So it holds"
