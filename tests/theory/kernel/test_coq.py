"""Coq's word counts only if it is given to the end: by stand-ins, and by Coq itself where it is."""

import os
import re
import shutil
import stat
from pathlib import Path

import pytest
import sympy as sp

from bnproof.theory.claim import Counterexample
from bnproof.theory.common.errors import UserError
from bnproof.theory.exact.evaluate import symbols_of
from bnproof.theory.kernel.coq import INSTALL, LIBRARY, Checker, Coq, axioms, find, source
from bnproof.theory.kernel.export import Theorem, theorem
from bnproof.theory.kernel.refute import from_data, from_symbols
from bnproof.theory.proving.certificate import Certificate, Term
from bnproof.theory.symbols import eps, g1, gamma, gg, m, sigma, vv

THEOREM = Theorem("t", "Print Assumptions t.\n", {1: "a is not 0"}, "Tactics", "from its rules")
CLOSED = "echo 'Closed under the global context'"


def stand_in(folder: Path, says: str, version: str = "8.16.1 4.13.1") -> Coq:
    """A ``coqc`` that accepts the project's own files and then does as it is told."""
    path = folder / "coqc"
    path.write_text(
        f"""#!/bin/sh
if [ "$1" = --print-version ]; then echo '{version}'; exit; fi
for file; do :; done
case "$file" in
  */t.v) {says} ;;
  *) grep 'Print Assumptions' "$file" | sed 's/.*/Closed under the global context/' ;;
esac
"""
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return Coq(str(path), version.partition(" ")[0])


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ("true", "did not say to the end"),
        (f"{CLOSED}; kill -9 $$", "killed by signal 9"),
        (f"{CLOSED}; exit 1", "Coq refuses it: exit status 1"),
        (f"{CLOSED}; {CLOSED}", "did not say to the end"),
        ("echo Axioms:; echo 'absurd : False'", "rests on the axiom absurd"),
        ("echo Axioms:; echo 'long'; echo '  : forall x, x'", "rests on the axiom long"),
        (
            "echo 'File \"t.v\", line 1, characters 0-1:' >&2; exit 1",
            "does not see that a is not 0",
        ),
        ("echo 'line 9, characters 0-1:\nError: No such goal.' >&2; exit 1", "No such goal."),
        ("while :; do :; done", "killed by signal|ended after"),
    ],
)
def test_what_is_not_said_to_the_end_is_not_checked(tmp_path, says, reason):
    with Checker(stand_in(tmp_path, says), cache=tmp_path / "cache", limit=1) as checker:
        outcome = checker.check(THEOREM)
        assert not outcome.checked
        assert re.search(reason, outcome.reason)
        assert "\n" not in outcome.reason
    assert not list(tmp_path.glob("cache/*"))


def test_what_is_said_to_the_end_is_checked_and_remembered_until_the_text_changes(tmp_path):
    good, cache = stand_in(tmp_path, CLOSED), tmp_path / "cache"
    with Checker(good, cache) as checker:
        assert checker.check(THEOREM).checked
    with Checker(stand_in(tmp_path, "exit 1"), cache) as checker:
        assert checker.check(THEOREM).checked
        other = Theorem("t", THEOREM.source + " ", {}, "Tactics", "")
        assert not checker.check(other).checked
    with Checker(stand_in(tmp_path, "exit 1", "8.17.0"), cache) as checker:
        assert not checker.check(THEOREM).checked


def test_a_cache_entry_that_was_cut_or_edited_is_not_used(tmp_path):
    cache = tmp_path / "cache"
    with Checker(stand_in(tmp_path, CLOSED), cache) as checker:
        checker.check(THEOREM)
    (entry,) = cache.iterdir()
    whole = entry.read_text()
    for text in (whole[:-5], whole.replace("8.16.1", "8.16.2"), "", "[]"):
        entry.write_text(text)
        with Checker(stand_in(tmp_path, "exit 1"), cache) as checker:
            assert not checker.check(THEOREM).checked


def test_nothing_is_checked_on_a_library_that_is_refused(tmp_path):
    coq = stand_in(tmp_path, CLOSED)
    Path(coq.path).write_text("#!/bin/sh\nexit 1\n")
    with Checker(coq) as checker:
        outcome = checker.check(THEOREM)
    assert not outcome.checked
    assert outcome.reason.startswith("Tactics.v: ")


def test_its_folder_goes_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    with Checker(stand_in(tmp_path, "kill -9 $$")) as checker:
        checker.check(THEOREM)
        assert list((tmp_path / "tmp").iterdir())
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize(
    ("version", "said"), [("8.15.2", "8.15.2"), ("9.1.0", "9.1.0"), ("", "''"), ("x", "'x'")]
)
def test_another_version_is_refused_in_one_line(tmp_path, monkeypatch, version, said):
    stand_in(tmp_path, CLOSED, version)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(UserError, match=said) as error:
        find()
    assert "8.16 to 8.20" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_coq_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="apt-get install coq"):
        find()


def test_the_library_proves_everything_and_assumes_nothing():
    for name in LIBRARY:
        text = source(name)
        for word in ("Admitted", "Axiom", "Parameter", "admit", "Unset Guard", "bypass_check"):
            assert word not in text, (name, word)
        assert "Print Assumptions" in text, name


def test_the_list_of_axioms_is_read_name_by_name():
    answer = (
        "Axioms:\nA.b : Prop\nc\n  : forall x,\n    x\nClosed under the global context\nd : no\n"
    )
    assert axioms(answer) == ["A.b", "c"]


# With Coq itself.

a = sp.Symbol("a", real=True)
b = sp.Symbol("b", nonnegative=True)
c = sp.Symbol("c", real=True)
RIGHT = {
    "relation": sp.Le(a, b**2 / c**2 + c**2),
    "domain": sp.Gt(c, 0),
    "rules": {a: 2 * b - b / c},
    "slack": (Term((b / c - c) ** 2, "a square"), Term(b / c, "a quotient")),
}
# By what is wrong: the part that is changed, and what Coq says of it.
WRONG = {
    "a coefficient": ({"rules": {a: 2 * b - 2 * b / c}}, "the two sides differ by the slack"),
    "a sign": ({"rules": {a: 2 * b + b / c}}, "the two sides differ by the slack"),
    "an exponent": ({"relation": sp.Le(a, b**2 / c**2 + c**4)}, "the two sides differ"),
    "a hypothesis": ({"domain": sp.true}, "c is not 0"),
    "a slack": (
        {"rules": {a: 2 * b + b / c}, "slack": (RIGHT["slack"][0], Term(-b / c, ""))},
        "the slack -b/c is not negative",
    ),
    "a rule that divides by 0": ({"rules": {a: (2 * b**2 - b**2 / c) / b}}, "b is not 0"),
}


@pytest.fixture(scope="module")
def checker():
    if shutil.which("coqc") is None:
        pytest.skip(f"Coq is not installed; {INSTALL}")
    with Checker(find()) as made:
        yield made


@pytest.mark.xdist_group("coq")
def test_a_right_certificate_is_checked(checker):
    outcome = checker.check(theorem("right", Certificate(**RIGHT)))
    assert outcome.checked, outcome.reason


@pytest.mark.xdist_group("coq")
@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_one_is_refused_for_its_fault(checker, what):
    changes, reason = WRONG[what]
    outcome = checker.check(theorem("wrong", Certificate(**(RIGHT | changes))))
    assert not outcome.checked
    assert reason in outcome.reason


@pytest.mark.xdist_group("coq")
def test_roots_and_absolute_values_are_algebra(checker):
    for atom, square in ((sp.sqrt(b + 1), b + 1), (sp.Abs(c), c**2)):
        relation = sp.Eq((atom + 1) * (atom - 1) / (c**2 + 1), (square - 1) / (c**2 + 1))
        outcome = checker.check(theorem("atoms", Certificate(relation, sp.true, {})))
        assert outcome.checked, outcome.reason


@pytest.mark.slow
@pytest.mark.xdist_group("coq")
def test_exact_values_refute_only_what_they_violate(checker):
    values = {a: sp.sqrt(2), b: sp.Integer(2), c: sp.Rational(1, 2)}
    false, true = sp.Le(a, b * c), sp.Le(a, b)
    assert checker.check(from_symbols("false", false, sp.true, values)).checked
    assert not checker.check(from_symbols("true", true, sp.true, values)).checked
    outside = from_symbols("outside", false, sp.Gt(c, 1), values)
    assert "lie in the domain" in checker.check(outside).reason


@pytest.mark.slow
@pytest.mark.xdist_group("coq")
def test_the_library_is_checked_up_to_the_printed_bound(checker):
    for outcome in checker.library():
        assert outcome.checked, outcome


@pytest.mark.slow
@pytest.mark.xdist_group("coq")
def test_raw_data_refute_only_what_they_violate(checker):
    case = Counterexample.of(y=[1, 1, -1, -1], b=[1, 0, 0, 0])
    values = symbols_of(case)
    bound = gamma**2 / sigma**2 * (gg - g1**2 / m)
    false, true = sp.Le(bound, vv), sp.Le(vv, bound)
    at_0 = sp.Eq(eps, 0)
    assert checker.check(from_data("false", false, at_0, case, values)).checked
    assert not checker.check(from_data("true", true, at_0, case, values)).checked
    wrong = dict(values) | {vv: values[vv] + 1}
    assert "|v|^2" in checker.check(from_data("wrong", false, at_0, case, wrong)).reason
