"""The catalogue: every claim is complete, named after its file, and in the README."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import bnproof.empirical.experiments
import bnproof.theory.claims
from bnproof import readme
from bnproof.catalogue import (
    catalogue,
    entries,
    entry,
    experiment,
    experiment_entries,
    experiments,
    file_of,
    load_claim,
    select,
)
from bnproof.empirical.experiment import Experiment
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
from bnproof.theory.common.errors import UserError
from bnproof.theory.ledger import book
from bnproof.theory.listing import Entry, read
from bnproof.theory.loading import TEMPLATE, LoadError, load_folder

ENTRIES = list(catalogue().values())
IDS = [entry.id for entry in ENTRIES]
REWRITE = "write its fields as literals, or as names of them (`bnproof.theory.listing`)"
SPINE = {
    "bn_jacobian",
    "bn_hessian",
    "santurkar_4_1",
    "santurkar_4_1_eps",
    "neurips_4_1_sqrt_m",
    "slides_4_1",
    "report_3_4",
    "santurkar_4_2",
    "santurkar_4_2_eps",
    "liu_density",
    "liu_density_squared",
    "bjorck_table1",
    "bjorck_fig5",
    "bjorck_fig6",
}


def test_the_spine_is_there() -> None:
    assert set(IDS) >= SPINE
    assert not [entry for entry in ENTRIES if isinstance(entry, LoadError)]


@pytest.mark.parametrize("claim", ENTRIES, ids=IDS)
def test_a_claim_is_complete(claim: Claim) -> None:
    assert all(source.locator for source in claim.sources)
    assert claim.statement or claim.relation is not None or claim.check_of(Experiment)
    assert claim.title.endswith(".")
    # Only measurements can leave a statement open; a derivation that does is not finished.
    assert claim.expected is not Verdict.UNDECIDED or claim.check_of(Experiment)
    kinds = {type(spec) for spec in claim.checks}
    has_control = {
        RandomTest: claim.control is not None,
        SpectrumTest: True,
        Experiment: True,
    }
    numeric = kinds & has_control.keys()
    assert numeric, "no independent numerical path"
    assert all(has_control[kind] for kind in numeric)
    if claim.expected is Verdict.PROVED:
        assert Proof in kinds
    if claim.expected is Verdict.REFUTED:
        assert kinds & {Counterexample, ExactCase, Disproof}


@pytest.mark.parametrize(
    "folder", [bnproof.theory.claims, bnproof.empirical.experiments], ids=lambda f: f.__name__
)
def test_the_file_is_named_after_the_claim(folder: object) -> None:
    path = Path(folder.__path__[0])  # type: ignore[attr-defined]
    files = {file.stem for file in path.glob("*/*.py")} - {"__init__"}
    assert len(files) > 40
    assert files == {entry.id for entry in load_folder(folder)}  # type: ignore[arg-type]
    assert files <= set(IDS)


def test_a_list_says_what_the_claims_say() -> None:
    """Every file of the catalogue can be read without running it, and says the same then."""
    listed = entries()
    assert list(listed) == IDS
    for claim in ENTRIES:
        path = file_of(claim.id)
        assert path is not None
        found = read(path)
        assert found is not None, f"{claim.id}: {REWRITE}"
        assert found.remark in (None, claim.remark)
        assert replace(found, remark=claim.remark) == Entry.of(claim)
        assert listed[claim.id] == found


def test_experiments_are_the_claims_of_their_folder() -> None:
    measured = [claim.id for claim in ENTRIES if claim.check_of(Experiment)]
    assert [entry.id for entry in experiment_entries()] == measured
    assert [claim.id for claim in experiments()] == measured


def test_an_unknown_experiment_gets_the_names_of_experiments() -> None:
    with pytest.raises(UserError, match=r"^unknown experiment 'bjork_fig3'; did you mean bjorck_"):
        experiment("bjork_fig3")
    with pytest.raises(UserError, match=r"^unknown experiment 'qq'; `bnproof experiment list`"):
        experiment("qq")
    with pytest.raises(UserError, match=r"^bn_jacobian: has no experiment"):
        experiment("bn_jacobian")


def test_sentences_and_claims_agree() -> None:
    proofs = {claim.id: claim.expected is Verdict.PROVED for claim in ENTRIES}
    assert book.flaws(proofs) == []


@pytest.mark.parametrize("claim", ENTRIES, ids=IDS)
def test_a_claim_reads_a_sentence_or_is_derived_and_never_says_where_twice(claim: Claim) -> None:
    path = file_of(claim.id)
    assert path is not None
    given = "    sources=" in path.read_text(encoding="utf-8").partition("CLAIM = Claim(")[2]
    assert given != bool(book.places(claim.id)), "the ledger has the place, or the claim its source"
    assert not given or {source.document for source in claim.sources} == {"derived"}


@pytest.mark.sources
@pytest.mark.parametrize("name", readme.TABLES)
def test_the_readme_tables_are_those_of_the_code(root: Path, name: str) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    assert readme.replace(text, name, readme.TABLES[name]()) == text, "run `make readme`"


@pytest.mark.sources
@pytest.mark.parametrize("name", readme.TABLES)
def test_every_row_of_a_table_has_the_cells_of_its_head(name: str) -> None:
    rows = [line for line in readme.TABLES[name]().splitlines() if line.startswith("|")]
    assert len(rows) > 5
    bars = [len(re.findall(r"(?<!\\)\|", line)) for line in rows]
    assert set(bars) == {bars[0]}


def test_the_results_are_those_that_are_published(root: Path) -> None:
    written = (root / readme.RESULTS).read_text(encoding="utf-8")
    assert written == readme.results(), "run `make readme`"


def test_markers_must_be_there() -> None:
    with pytest.raises(ValueError, match="no block"):
        readme.replace("nothing here", "claims", "")
    assert readme.replace("a<!-- x -->old<!-- /x -->b", "x", "new").split() == [
        "a<!--",
        "x",
        "-->",
        "new",
        "<!--",
        "/x",
        "-->b",
    ]


def test_an_unknown_id_gets_the_nearest_names() -> None:
    with pytest.raises(UserError, match=r"did you mean .*santurkar_4_1"):
        select(["santurkar_41"])
    with pytest.raises(UserError, match="bnproof claims"):
        load_claim("qqqqqqqqqq")


def test_a_selection_keeps_the_catalogue_order() -> None:
    assert [entry.id for entry in select(["slides_4_1", "bn_jacobian"])] == [
        "bn_jacobian",
        "slides_4_1",
    ]
    assert [entry.id for entry in select([])] == IDS


GOOD = (
    "import sympy as sp\nfrom dataclasses import replace\n"
    "from bnproof.theory.symbols import gg, vv\n"
    "from bnproof.theory.claims.gradient import bn_jacobian\n"
    "CLAIM = replace(bn_jacobian.CLAIM, id='{id}', {change})\n"
)


def package(folder: Path, files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> object:
    import importlib

    name = f"claims_{folder.name.replace('-', '_')}"
    (folder / name / "subject").mkdir(parents=True)
    for place in (folder / name, folder / name / "subject"):
        (place / "__init__.py").write_text("")
    for file, content in files.items():
        (folder / name / "subject" / file).write_text(content)
    monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module(name)


def test_a_broken_file_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "good.py": "from dataclasses import replace\n"
        "from bnproof.theory.claims.gradient import bn_jacobian\n"
        "CLAIM = replace(bn_jacobian.CLAIM, id='good')\n",
        "misnamed.py": "from bnproof.theory.claims.gradient.bn_jacobian import CLAIM\n",
        "no_import.py": "import does_not_exist_at_all\n",
        "no_claim.py": "x = 1\n",
        "not_a_claim.py": "CLAIM = 3\n",
        "syntax.py": "def\n",
        "letter.py": GOOD.format(id="letter", change="relation=sp.Eq(sp.Symbol('q'), 1)"),
        "strict.py": GOOD.format(id="strict", change="relation=sp.Lt(gg, vv)"),
        "empty.py": GOOD.format(id="empty", change="domain=sp.And(gg > 1, gg < 0, sp.false)"),
        "control.py": GOOD.format(id="control", change="control=None"),
        "python.py": GOOD.format(id="python", change="relation=gg == vv"),
        "hypothesis.py": GOOD.format(id="hypothesis", change="domain=True"),
        "comma.py": GOOD.format(id="comma", change="sources=(bn_jacobian.CLAIM.sources[0])"),
        "untitled.py": GOOD.format(id="untitled", change="title=None"),
        "leaves.py": "raise SystemExit('bye')\n",
    }
    entries = {e.id: e for e in load_folder(package(tmp_path, files, monkeypatch))}  # type: ignore[arg-type]
    assert isinstance(entries["good"], Claim)
    broken = {name: entry.error for name, entry in entries.items() if isinstance(entry, LoadError)}
    assert set(broken) == set(entries) - {"good"}
    assert "ModuleNotFoundError: No module named 'does_not_exist_at_all'" in broken["no_import"]
    assert "must be the file's name" in broken["misnamed"]
    assert "CLAIM must be a Claim, not int" in broken["not_a_claim"]
    assert broken["letter"].startswith("letter.py: relation: unknown symbol q;")
    assert broken["strict"].startswith("strict.py: relation: |g|^2 < |v|^2 is neither")
    assert broken["empty"] == "empty.py: domain: is false in every case"
    assert "control: control: these checks need both" in broken["control"]
    assert broken["python"].endswith("False is not a SymPy relation; write sp.Eq(a, b) for a == b")
    assert broken["hypothesis"].startswith("hypothesis.py: domain: True is not a SymPy relation")
    assert "SystemExit: bye" in broken["leaves"]
    assert broken["comma"] == "comma.py: sources: must be a tuple; one entry needs a comma after it"
    assert broken["untitled"] == "untitled.py: title: must be a string"
    assert all("\n" not in message for message in broken.values())


def test_claims_of_a_persons_own(tmp_path: Path) -> None:
    own = tmp_path / "my claims"
    own.mkdir()
    with pytest.raises(UserError, match="no claim files") as caught:
        select([], own)
    assert str(caught.value).endswith(f"start from a copy of {TEMPLATE}")
    assert TEMPLATE.is_file()
    (own / "mine.py").write_text(GOOD.format(id="mine", change="title='Mine.'"))
    (own / "bad.py").write_text("1/0\n")
    bad, mine = select([], own)
    assert isinstance(bad, LoadError)
    assert "ZeroDivisionError" in bad.error
    assert load_claim("mine", own) == mine
    assert entries(own)["bad"] == bad
    assert entries(own)["mine"] == entry("mine", own) == Entry.of(mine)
    with pytest.raises(UserError, match="ZeroDivisionError"):
        entry("bad", own)
    assert {entry.id for entry in select(["mine", "bn_jacobian"], own)} == {"mine", "bn_jacobian"}
    (own / "bn_jacobian.py").write_text("CLAIM = 1\n")
    with pytest.raises(UserError, match=r"bn_jacobian\.py: another claim has this id"):
        select([], own)
    with pytest.raises(UserError, match="no folder of claims"):
        select([], tmp_path / "nowhere")


def test_what_the_readme_tells_of_a_claim_is_its_verdict(root: Path) -> None:
    text = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    told = re.findall(
        r"`([a-z0-9_]+)`, ((?:not )?"
        r"(?:proved|refuted|reproduced|supported|undecided|seen in miniature))",
        text,
    )
    assert len(told) > 10
    known = catalogue()
    assert [(name, word) for name, word in told if known[name].expected != word] == []
