"""The report page: complete, escaped, self-contained, and written whole or not at all."""

import base64
import copy
import hashlib
import itertools
import re
import warnings
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from bnproof.report import figures
from bnproof.report.page import ReportError, build, write
from bnproof.theory.claim import Claim, Evidence, Kind, RandomTest, Verdict
from bnproof.theory.common.errors import UserError
from bnproof.theory.sources import Source

VOID = {"meta", "input", "img", "br"}
CLOSED_BY_HTML = {"td", "th", "tr", "tbody", "thead"}


def record(claim_id: str, **changes: Any) -> dict[str, Any]:
    """One claim as `verify` writes it down, with one of everything."""
    return {
        "id": claim_id,
        "title": f"Plain sentence about {claim_id}.",
        "sources": [
            {"document": "A18", "locator": "Theorem 4.1"},
            {"document": "S1", "locator": "Theorem 3.4"},
        ],
        "statement": r"\|v\|^2 \le \|g\|^2",
        "relation": {"latex": r"\|v\|^2 \leq 1", "text": "|v|^2 <= 1"},
        "domain": {"latex": r"\varepsilon = 0", "text": "eps = 0"},
        "control": {"latex": "x = 1", "text": "x = 1"},
        "remark": "An identity.",
        "reads": None,
        "corrects": [],
        "credit": {"first": "A. Author (2020)"},
        "verdict": "proved",
        "setting": None,
        "expected": "proved",
        "as_expected": True,
        "error": None,
        "steps": [
            {"words": "Definition", "latex": "y = x", "text": "y = x", "kind": "given"},
            {"words": "A theorem", "latex": "", "text": "", "kind": "cited"},
            {"words": "Together", "latex": "y^2 = x^2", "text": "y^2 = x^2", "kind": "checked"},
        ],
        "evidence": [
            {
                "kind": "random instances",
                "holds": True,
                "control_differs": True,
                "summary": "Holds on all networks.",
                "numbers": {
                    "networks": 24000,
                    "excess": 1.23456789e-13,
                    "by size": {"2": 0.5, "8": None},
                    "measured": {"a": {"median": [1, 2.5], "largest": 3}, "b": {"median": 0}},
                    "criteria": [{"words": "growth", "value": 2.0, "satisfied": False}],
                    "empty": [],
                },
                "provenance": {"seed": 0, "device": "cpu", "data set": "photos"},
            }
        ],
        "figure": None,
        "seconds": 1.25,
        **changes,
    }


def broken(claim_id: str) -> dict[str, Any]:
    """A claim in error as `verify` writes it down."""
    empty: dict[str, Any] = dict.fromkeys(
        ("relation", "domain", "control", "reads", "figure", "setting")
    )
    words = dict.fromkeys(("title", "statement", "remark", "expected"), "")
    lists: dict[str, Any] = {
        "sources": [],
        "steps": [],
        "evidence": [],
        "corrects": [],
        "credit": {},
    }
    error = {"verdict": "error", "error": "SyntaxError: in the file", "as_expected": False}
    return {"id": claim_id, **empty, **words, **lists, **error, "seconds": 0.0}


def sentence(name: str = "S0.first", **changes: Any) -> dict[str, Any]:
    """One sentence as it stands in a document."""
    return {
        "id": name,
        "document": name.partition(".")[0],
        "locator": "A heading, Theorem 1",
        "quotation": "It is **never** larger than $\\|g\\|^2$.",
        "class": "holds with a correction",
        "repeats": None,
        "as_printed": ["first"],
        "readings": [],
        "correction": ["second"],
        "slip": "a square is missing",
        "missing": "first: refuted",
        **changes,
    }


def evidence(*claims: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": 2,
        "bnproof": "0.1.0",
        "created": "2026-11-21T10:00:00+00:00",
        "command": "bnproof verify",
        "environment": {"python": "3.11", "torch": "2.13.0", "device": "cpu", "threads": 2},
        "settings": {"scale": "quick", "seed": 0, "data": "photos"},
        "sentences": [sentence()] if claims else [],
        "claims": list(claims),
        "normalizers": [{"normaliser": "<X>Norm", "Theorem 4.1": "identity"}],
        "layers": [{"layer": "<X>Layer", "forward": "all 3 pass"}],
    }


class Page(HTMLParser):
    """Elements of a page with their attributes, and its visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.text = ""
        self.script = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        while self.open[-1] in CLOSED_BY_HTML and self.open[-1] != tag:
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text += f" {data}"
        if "script" in self.open:
            self.script += data

    def all(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def strings(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place, as container and key, that holds a string."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, str):
            yield value, key
        elif isinstance(item, dict | list):
            yield from strings(item)


@pytest.fixture
def page() -> Page:
    claims = [
        record("first", reads="S0.first"),
        record("second", corrects=["S0.first"], verdict="refuted"),
    ]
    return Page(build(evidence(*claims, broken("third")), None))


def test_every_claim_has_a_section_and_a_link(page: Page) -> None:
    sections = [section["id"] for section in page.all("section")]
    assert sections == ["first", "second", "third"]
    links = [link["href"] for link in page.all("a")]
    assert {"#first", "#second", "#third", "#sentence-S0.first", "evidence.json"} <= set(links)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(link[1:] in ids for link in links if link.startswith("#"))


def test_headings_are_in_order(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_the_page_loads_nothing_and_runs_its_own_script_alone(page: Page) -> None:
    assert not page.all("link", "iframe", "object", "embed", "base")
    (policy,) = (m["content"] for m in page.all("meta") if "http-equiv" in m)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    digest = base64.b64encode(hashlib.sha256(page.script.encode()).digest()).decode()
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert page.all("script") == [{}]
    for _, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes)
        for name in {"src", "href", "srcset", "action"} & set(attributes):
            assert re.match(r"#|data:image/svg|evidence\.json$", attributes[name])


def test_the_index_is_complete_without_script(page: Page) -> None:
    rows = [row for row in page.all("tr") if "data-id" in row]
    assert [row["data-id"] for row in rows] == ["first", "second", "third"]
    assert [row["data-source"] for row in rows] == ["A18|S1", "A18|S1", ""]
    assert page.all("form")[0]["hidden"] == ""
    options = re.findall(r"<option[^>]*>([^<]*)", build(evidence(record("first")), None))
    assert {"all", "A18", "S1", "proved", "random instances"} == set(options)


def test_evidence_that_was_published_says_so() -> None:
    claim = record("first", verdict="reproduced", setting="VGG at a quarter of the width")
    where = {"measured": "2026-11-20", "commit": "abc123", "device": "cuda"}
    claim["evidence"][0]["provenance"] = where
    page = Page(build(evidence(claim), None))
    text = " ".join(page.text.split())
    assert "Evidence: random instances published 2026-11-20" in text
    assert "VGG at a quarter of the width" in text
    assert "commit: abc123; device: cuda" in text
    local = Page(build(evidence(record("first")), None))
    assert "random instances published" not in " ".join(local.text.split())
    assert "device: cpu" not in local.text, "it is said once, for all"


def test_evidence_that_decides_nothing_says_why_and_not_what_the_control_did() -> None:
    claim = record("first")
    open_ = {"holds": None, "control_differs": False, "reason": "too few seeds"}
    claim["evidence"][0] |= open_
    text = " ".join(Page(build(evidence(claim), None)).text.split())
    assert "This evidence alone does not decide the claim. The reason: too few seeds." in text
    assert "void" not in text


def test_formulas_and_tables_are_accessible(page: Page) -> None:
    images = [image for image in page.all("svg") if "aria-hidden" not in image]
    assert len(images) > 10
    assert all(image["role"] == "img" and image["aria-label"] for image in images)
    assert sum(tag == "caption" for tag, _ in page.elements) == len(page.all("table"))
    assert all(head["scope"] in ("row", "col") for head in page.all("th"))
    assert page.all("html")[0]["lang"] == "en"


def test_verdicts_are_told_in_words(page: Page) -> None:
    text = " ".join(page.text.split())
    assert (
        "1 sentence of the sources and 3 claims, of which 1 holds , 1 does not hold , 1 is open"
        in text
    )
    for heading in ("Claims that hold", "Claims that do not hold", "Claims that are open"):
        assert heading in page.text
    assert "not as expected" in page.text


def test_everything_known_of_a_claim_is_shown(page: Page) -> None:
    text = " ".join(page.text.split())
    for part in (
        *("S. Santurkar", "How Does Batch Normalization Help Optimization?", "Theorem 4.1"),
        *("An identity.", "Holds on all networks.", "24,000", "1.235e-13", "not finite"),
        *(
            "(stated)",
            "(cited from elsewhere)",
            "Derivation in 3 steps",
            "Corrected by",
            "As printed",
            "How it is read",
            "A. Author (2020)",
        ),
        *("photos", "torch", "2.13.0", "bnproof verify", "growth", "1, 2.5", "2: 0.5; 8: not"),
        *("% how it is read \\|v\\|^2 \\le", "@misc{bnproof_first,", "claims[0] in evidence.json"),
    ):
        assert part in text, part


def test_a_claim_in_error_says_so(page: Page) -> None:
    assert "This claim could not be verified: SyntaxError: in the file" in page.text
    assert "no source: the claim could not be loaded" in page.text


def test_no_claims_give_a_page() -> None:
    assert "0 sentences of the sources" in build(evidence(), None)


def test_sentences_are_counted_once_each_in_its_document() -> None:
    content = evidence(record("first", reads="S0.first"))
    content["sentences"] += [
        sentence("S1.again", repeats="S0.first", **{"class": "holds with a correction"}),
        sentence("S1.open", **{"class": "open"}),
        sentence("S1.means", **{"class": "definition"}),
    ]
    text = " ".join(Page(build(content, None)).text.split())
    tally = text.partition("neither true nor false.")[2].partition("As printed")[0]
    for row in (
        "(slides), 2018 – 1 – – – 1",
        "(report), 2020 – 1 – 1 1 3",
        "sentences – 2 – 1 1 4",
    ):
        assert row in tally
    assert "a square is missing" in text
    assert "first: refuted" in text, "what is missing where it is open"
    assert "as S0.first" in text


def test_a_quotation_has_its_emphasis_and_formulas() -> None:
    html = build(evidence(record("first", reads="S0.first")), None)
    assert html.count("It is <strong>never</strong> larger than <svg") == 2


def test_a_miniature_decides_nothing() -> None:
    claim = record("first", verdict="not seen in miniature")
    claim["evidence"][0] |= {"kind": "experiment", "holds": None, "miniature": True, "seen": False}
    text = " ".join(Page(build(evidence(claim), None)).text.split())
    assert "decides nothing about it" in text
    assert "1 is open" in text
    assert "does not hold" not in text


@settings(max_examples=15)
@given(st.text(alphabet="ab <>&\"'/=\\{}$%\u2028\x00é", max_size=12))
def test_every_string_is_escaped(text: str) -> None:
    hostile = f"<script>alert(1)</script>{text}\"'><img src=x onerror=y>"
    told = {
        "setting": "quick",
        "reads": "S0.first",
        "corrects": ["other"],
        "error": "why",
        "verdict": "reproduced",
    }
    claim = record("first", **told, figure={"file": "figures/first.svg", "alt": "A line."})
    # As of a published measurement, whose file anyone may have written.
    where = {"measured": "2026-11-20", "commit": "abc", hostile: ["name", {hostile: "value"}]}
    claim["evidence"][0]["provenance"] = where
    claim["evidence"][0]["numbers"][hostile] = {hostile: [{hostile: 1}]}
    content = evidence(claim)
    for holder, key in list(strings(content)):
        holder[key] = hostile
    page = Page(build(content, None))
    assert page.all("script", "img") == [{}], "its own"
    assert "alert(1)" not in page.script
    assert not any("onerror" in attributes for _, attributes in page.elements)
    assert page.open == []


def test_names_of_numbers_are_escaped() -> None:
    claim = record("first")
    claim["evidence"][0]["numbers"] = {"<b>": 1, "<i>": {"<u>": {"<s>": 2}}}
    assert not Page(build(evidence(claim), None)).all("b", "i", "u", "s")


def test_text_that_utf8_cannot_hold_is_replaced(tmp_path: Path) -> None:
    path = write(evidence(record("first", remark="a \ud800 b")), tmp_path)
    assert "a ? b" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "path",
    [
        ("claims",),
        ("environment",),
        ("settings", "scale"),
        ("claims", 0, "verdict"),
        ("claims", 0, "evidence", 0, "holds"),
        ("claims", 0, "relation", "latex"),
        ("claims", 0, "steps", 0, "words"),
        ("claims", 0, "sources", 0, "locator"),
    ],
)
def test_a_missing_or_wrong_field_is_named_in_one_line(path: tuple[Any, ...]) -> None:
    content = evidence(record("first"))
    for change in ("missing", "expected"):
        bad = copy.deepcopy(content)
        holder = bad
        for key in path[:-1]:
            holder = holder[key]
        if change == "missing":
            del holder[path[-1]]
        else:
            holder[path[-1]] = 1.5
        with pytest.raises(ReportError, match=change) as caught:
            build(bad, None)
        message = str(caught.value)
        assert path[-1] in message
        assert "\n" not in message
        assert path[0] != "claims" or len(path) == 1 or "first" in message


def test_another_schema_is_refused() -> None:
    with pytest.raises(ReportError, match="schema 1 must be 2"):
        build({**evidence(), "schema": 1}, None)


def test_write_replaces_the_page_or_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(evidence(record("first")), tmp_path / "report")
    before = path.read_text()
    with pytest.raises(ReportError):
        write({**evidence(), "claims": [{"id": "x"}]}, path.parent)

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UserError, match="No space left"):
        write(evidence(record("other")), path.parent)
    assert path.read_text() == before
    assert list(path.parent.iterdir()) == [path]


CLAIM = Claim(
    id="drawn",
    title="A claim with a figure.",
    sources=(Source("derived", "here"),),
    statement="x",
    expected=Verdict.SUPPORTED,
    checks=(RandomTest(),),
    relation=object(),
    control=object(),
)
FOUND = Evidence(Kind.INSTANCES, True, True, "Found.")


def line(figure: Figure, claim: Claim, found: Evidence) -> str:
    axes = figure.subplots()
    axes.plot([0, 1, 2], [0.1, 0.2, 0.15], label="<b> & 'quotes'")
    axes.legend()
    return 'A line that "rises" & falls.'


def test_a_figure_is_saved_the_same_each_time_and_embedded(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saved = figures.save(CLAIM, FOUND, line, tmp_path)
    assert saved == {"file": "figures/drawn.svg", "alt": 'A line that "rises" & falls.'}
    first = (tmp_path / "figures" / "drawn.svg").read_bytes()
    figures.save(CLAIM, FOUND, line, tmp_path)
    assert (tmp_path / "figures" / "drawn.svg").read_bytes() == first
    path = write(evidence(record("drawn", figure=saved)), tmp_path)
    (image,) = Page(path.read_text()).all("img")
    assert image["alt"] == saved["alt"]
    assert image["src"].startswith("data:image/svg+xml;charset=utf-8,<svg")
    (quoted,) = re.findall(r'<img src="([^"]*)"', path.read_text())
    assert not set("&#") & set(quoted)


def test_nothing_to_draw_gives_no_figure(tmp_path: Path) -> None:
    assert figures.save(CLAIM, FOUND, lambda *_: None, tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_the_style_does_not_leak(tmp_path: Path) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    figures.save(CLAIM, FOUND, line, tmp_path)
    assert dict(mpl.rcParams) == before
    assert len(figures.COLOURS) == len(figures.LINES) == len(set(figures.LINES))


def test_a_missing_figure_is_named(tmp_path: Path) -> None:
    claim = record("first", figure={"file": "../../etc/first.svg", "alt": "x"})
    with pytest.raises(ReportError, match="claim first: cannot read figure") as caught:
        write(evidence(claim), tmp_path)
    assert str(tmp_path / "figures" / "first.svg") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it, of #rgb or #rrggbb."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_has_enough_contrast_in_every_theme() -> None:
    html = build(evidence(), None)
    themes = [dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in html.split(":root {")[1:]]
    assert len(themes) == 3, "light, dark, print"
    pairs = [(text, back) for text in ("text", "soft", "link") for back in ("back", "panel")]
    pairs += [(name, f"{name}-back") for name in ("holds", "fails", "open")]
    for theme in themes:
        for text, back in pairs:
            dark, light = sorted((luminance(theme[text]), luminance(theme[back])))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, back)


def test_a_claim_more_costs_little() -> None:
    step = {"words": "Step", "text": "", "kind": "checked"}
    steps = [{**step, "latex": rf"\hat y_{{{i}}} = \frac{{y - \mu}}{{s}}"} for i in range(12)]
    one, many = (
        len(build(evidence(*(record(f"c{i}", steps=steps) for i in range(count))), None))
        for count in (1, 11)
    )
    assert (many - one) / 10 < 9_000, "bytes a claim whose formulas are known"
