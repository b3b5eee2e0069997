"""What can be copied: LaTeX and BibTeX that no string of the evidence can break."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnproof.report.citation import bibtex, latex
from bnproof.theory.sources import DOCUMENTS

DOCUMENT = {
    "bnproof": "0.1.0",
    "commit": "cafe12345678",
    "url": "https://example.org/bnproof",
    "created": "2026-11-21T10:00:00+00:00",
    "settings": {"scale": "quick", "data": "photos"},
}


def claim(**changes: Any) -> dict[str, Any]:
    return {
        "id": "some_claim",
        "title": "A gradient is at most 100% as long.",
        "sources": [
            {"document": "A18", "locator": "Theorem 4.1"},
            {"document": "A18", "locator": "equation 3"},
            {"document": "derived", "locator": "here"},
        ],
        "statement": r"\|v\| \le 1",
        "relation": {"latex": r"\|v\|^2 \leq 1", "text": ""},
        "domain": None,
        "control": None,
        "verdict": "proved",
        "reads": None,
        "corrects": [],
        "setting": None,
        "evidence": [
            {"kind": "proof", "provenance": {}},
            {"kind": "experiment", "provenance": {"commit": "abc123"}},
        ],
        **changes,
    }


def entries(text: str) -> dict[str, dict[str, str]]:
    """Keys and fields of BibTeX, by a reader that minds braces."""
    found = {}
    for key, body in re.findall(r"^@misc\{(\w+),\n(.*?)^\}$", text, re.DOTALL | re.MULTILINE):
        fields = re.findall(r"^  (\w+) = \{(.*)\},$", body, re.MULTILINE)
        assert len(fields) == len(body.splitlines())
        found[key] = dict(fields)
    return found


def depth(text: str) -> int:
    """Braces opened less braces closed, for BibTeX counts escaped ones too."""
    level = 0
    for brace in re.findall(r"[{}]", text):
        level += 1 if brace == "{" else -1
        assert level >= 0
    return level


def test_a_verdict_and_its_source_are_cited() -> None:
    found = entries(bibtex(claim(), DOCUMENT))
    assert list(found) == ["bnproof_some_claim", "santurkar2018_A18"]
    verdict, source = found.values()
    assert verdict["title"] == r"{A gradient is at most 100\% as long.}"
    assert verdict["year"] == "2026"
    assert verdict["version"] == "0.1.0, commit cafe12345678"
    assert verdict["url"] == "https://example.org/bnproof"
    for part in (
        "bnproof 0.1.0, commit cafe12345678",
        r"some\_claim",
        "A18, Theorem 4.1; A18, equation 3",
    ):
        assert part in verdict["howpublished"]
    for part in ("proved", "proof, experiment", "scale quick", "abc123", "2026-11-21"):
        assert part in verdict["note"]
    assert source["author"] == "S. Santurkar and D. Tsipras and A. Ilyas and A. Madry"
    assert source["eprint"] == "1805.11604"
    assert source["url"] == "https://arxiv.org/abs/1805.11604"


def test_a_corrected_form_cites_the_paper_that_it_corrects() -> None:
    derived = [{"document": "derived", "locator": "corrected form of S3, Theorem 1"}]
    found = entries(bibtex(claim(sources=derived, corrects=["S3.theorem_1"]), DOCUMENT))
    assert list(found) == ["bnproof_some_claim", "bjorck2018_S3"]


def test_an_experiment_names_its_own_setting() -> None:
    note = entries(bibtex(claim(setting="VGG, 300 of 15,000 updates"), DOCUMENT))[
        "bnproof_some_claim"
    ]["note"]
    assert "VGG, 300 of 15,000 updates" in note
    assert "quick" not in note


@pytest.mark.parametrize("key", DOCUMENTS)
def test_every_document_has_an_entry_of_its_own(key: str) -> None:
    found = entries(bibtex(claim(sources=[{"document": key, "locator": "x"}]), DOCUMENT))
    assert len(found) == (1 if key == "derived" else 2)
    assert all(depth(value) == 0 for entry in found.values() for value in entry.values())


# Reads every field, and splits the names, as styles do; needs no installed style.
STYLE = """ENTRY { author eprint howpublished note title url version year } {} {}
FUNCTION {misc} { author num.names$ int.to.str$ " " * title * write$ newline$ }
FUNCTION {default.type} { misc }
READ
ITERATE {call.type$}
"""


@pytest.fixture
def bibliography(tmp_path: Path) -> Path:
    """Entries of one claim that cites every document, and of one whose words are hostile."""
    sources = [{"document": key, "locator": "x"} for key in DOCUMENTS]
    hostile = claim(id="hostile", title='{a}} \\ % # $ & _ ^ ~ "b" é', sources=[])
    texts = [bibtex(claim(sources=sources), DOCUMENT), bibtex(hostile, DOCUMENT)]
    (tmp_path / "claims.bib").write_text("\n".join(texts), encoding="utf-8")
    return tmp_path


def called(folder: Path, *command: str) -> str:
    here = os.environ | {"BIBINPUTS": ".", "BSTINPUTS": "."}
    done = subprocess.run(
        command, cwd=folder, env=here, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("bibtex") is None, reason="bibtex is not installed")
def test_bibtex_reads_the_entries(bibliography: Path) -> None:
    (bibliography / "all.bst").write_text(STYLE)
    (bibliography / "x.aux").write_text("\\citation{*}\n\\bibdata{claims}\n\\bibstyle{all}\n")
    said = called(bibliography, "bibtex", "x")
    assert "Warning" not in said, said
    printed = (bibliography / "x.bbl").read_text(encoding="utf-8").splitlines()
    assert len([line for line in printed if re.match(r"\d+ \{", line)]) == len(DOCUMENTS) + 1


@pytest.mark.skipif(shutil.which("biber") is None, reason="biber is not installed")
def test_biber_reads_the_entries(bibliography: Path) -> None:
    said = called(bibliography, "biber", "--tool", "--validate-datamodel", "claims.bib")
    assert "WARN" not in said, said
    assert "ERROR" not in said, said


def test_formulas_stand_under_what_they_are() -> None:
    assert latex(claim()).splitlines() == [
        "% statement",
        r"\|v\| \le 1",
        "% relation that was checked",
        r"\|v\|^2 \leq 1",
    ]
    assert latex(claim(reads="S0.first")).startswith("% how it is read")
    assert latex(claim(statement="", relation=None)) == ""


@given(st.text(alphabet="ab{}\\%#$&_^~\n\r@,\u2028\ud800é\"'=", max_size=20))
def test_no_string_breaks_an_entry(text: str) -> None:
    hostile = claim(
        id=text,
        title=text,
        verdict=text,
        setting=text,
        statement=text,
        sources=[{"document": text, "locator": text}, {"document": "S3", "locator": text}],
        evidence=[{"kind": text, "provenance": {"commit": text}}],
    )
    found = entries(bibtex(hostile, DOCUMENT))
    assert len(found) == 2
    for value in (value for entry in found.values() for value in entry.values()):
        assert depth(value) == 0
    lines = latex(hostile).splitlines()
    assert len(lines) in (2, 4)


def test_bars_and_angles_are_letters_of_tex_and_a_group_is_one_name() -> None:
    title = "At most |gamma|/s, <g, yhat> > 0."
    entry = bibtex(claim(title=title, sources=[{"document": "S2", "locator": "here"}]), DOCUMENT)
    said = (
        r"At most \textbar{}gamma\textbar{}/s, \textless{}g, yhat\textgreater{} \textgreater{} 0."
    )
    assert said in entry
    assert "author = {{reading group}}" in entry
