"""The documentation's own code: every claim has a page, and no text of a claim becomes markup."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sympy as sp

from bnproof.catalogue import catalogue
from bnproof.theory.claim import Claim, Proof, RandomTest, Verdict
from bnproof.theory.ledger import book
from bnproof.theory.proving import cache
from bnproof.theory.sources import DOCUMENTS, Source
from bnproof.theory.symbols import gg, vv

for name in ("sphinx", "myst_parser", "pydata_sphinx_theme"):
    pytest.importorskip(name, reason="the extra docs is not installed")
pytestmark = pytest.mark.sources

HOSTILE = (
    "<script>alert(1)</script> <b>b</b> &amp; **bold** `code` [link](javascript:x) ${1}$ {raw}`x` "
    "| a | b | *_* :ref:`no` ``` <!-- -->"
)


@pytest.fixture
def science(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(root / "docs"))
    from extension import science as module

    all_claims = module.all_claims
    all_claims.cache_clear()
    yield module
    all_claims.cache_clear()


def test_every_claim_has_a_page_and_stands_in_one_list(science: Any, tmp_path: Path) -> None:
    stale = tmp_path / science.FOLDER / "gone.md"
    stale.parent.mkdir()
    stale.write_text("# gone\n")
    science.write(SimpleNamespace(srcdir=tmp_path))
    pages = {path.stem: path.read_text() for path in stale.parent.glob("*.md")}
    assert set(pages) == set(catalogue()) | set(DOCUMENTS)
    listed = [
        line
        for key in DOCUMENTS
        for line in re.findall(r":hidden:\n\n(.*?)```", pages[key], flags=re.DOTALL)[0].split()
    ]
    assert sorted(listed) == sorted(catalogue())
    times = {path: path.stat().st_mtime_ns for path in stale.parent.glob("*.md")}
    science.write(SimpleNamespace(srcdir=tmp_path))
    assert times == {path: path.stat().st_mtime_ns for path in stale.parent.glob("*.md")}


def test_a_page_says_what_the_file_says(
    science: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from docutils import nodes
    from extension import claims

    proofs, steps = claims.proofs, 0
    for number, claim in enumerate(science.all_claims().values()):
        shown = number % 8 == 0  # derivations take long, and other tests carry them all out
        monkeypatch.setattr(claims, "proofs", proofs if shown else lambda _: [])
        body = nodes.container("", *claims.body(claim, root, None))
        text = body.astext()
        assert claim.title in text
        assert claim.remark in text
        assert all(source.locator in text for source in claim.sources)
        formulas = [node.astext() for node in body.findall(nodes.math_block)]
        assert not claim.statement or claim.statement in formulas
        sentence = book.read_by(claim.id)
        assert ("As printed" in text) == (sentence is not None)
        assert sentence is None or sentence.id in text
        assert f"{claim.id}.py" in text
        links = {node["reftarget"] for node in body.findall() if "reftarget" in _attributes(node)}
        assert {f"/science/{source.document}" for source in claim.sources} <= links
        unmeasured = claims.verdict(claim) == claims.UNMEASURED
        assert unmeasured == ("Not measured yet" in text)
        assert all(one.slip in text for one in book.corrected_by(claim.id))
        spec = claim.check_of(Proof) if shown else None
        proof = cache.recall(spec.prove) if spec else None  # kept when the page was made
        if proof is not None:
            steps += len(proof.steps)
            assert all(step.caption() in text for step in proof.steps)
    assert steps > 30


def _attributes(node: Any) -> dict[str, Any]:
    return getattr(node, "attributes", {})


class Page(HTMLParser):
    """Tags and visible text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        self.text += data if self.inside != "script" else ""


# Sphinx and its parts warn of one another's plans.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_text_of_a_claim_is_text_on_its_page(
    science: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sphinx.application import Sphinx

    claim = Claim(
        id="hostile",
        title=HOSTILE,
        sources=(Source("S0", HOSTILE),),
        statement=r"\text{" + HOSTILE.replace("{", "(").replace("}", ")") + "}",
        relation=sp.Le(vv, gg),
        control=sp.Le(vv, 2 * gg),
        checks=(RandomTest(),),
        expected=Verdict.REFUTED,
        remark=HOSTILE,
    )
    monkeypatch.setattr(science, "all_claims", lambda: {"hostile": claim})
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    (source / "index.md").write_text(
        "# x\n\n```{sources}\n```\n\n```{toctree}\n:glob:\n\nscience/*\n```\n"
    )
    warnings = StringIO()
    app = Sphinx(
        source, None, out, tmp_path / "trees", "html", status=None, warning=warnings,
        confoverrides={
            "extensions": ["myst_parser", "extension"],
            "html_math_renderer": "svg",
            "html_theme": "pydata_sphinx_theme",
            "smartquotes": False,
            "suppress_warnings": ["config.cache", "toc.not_included", "toc.duplicate_entry"],
        },
    )  # fmt: skip
    app.build()
    assert not warnings.getvalue()
    shown = " ".join(HOSTILE.split())
    for name, times in (("hostile", 3), ("S0", 1)):
        text = (out / science.FOLDER / f"{name}.html").read_text(encoding="utf-8")
        page = Page()
        page.feed(text)
        assert " ".join(page.text.split()).count(shown) >= times
        assert page.tags.count("b") == 0
        assert "alert(1)" not in "".join(re.findall(r"<script.*?</script>", text, re.DOTALL))
        assert 'href="javascript' not in text
        assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=.(?:https?:)?//", text)


def test_a_heading_is_escaped(science: Any) -> None:
    from markdown_it import MarkdownIt

    html = MarkdownIt().render(f"# {science.escaped(HOSTILE)}\n")
    page = Page()
    page.feed(html)
    assert page.tags == ["h1"]
    assert page.text.strip() == HOSTILE
