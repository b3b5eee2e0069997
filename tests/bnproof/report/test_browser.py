"""The report in a real browser that is cut off from the network."""

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from bnproof.report import figures
from bnproof.report.document import listed
from bnproof.report.page import write
from bnproof.theory.claim import Claim, Evidence, Kind
from bnproof.theory.claims.gradient import report_3_4
from bnproof.theory.claims.hessian import bn_hessian, santurkar_4_2
from bnproof.theory.symbols import latex, text

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CLAIMS = (bn_hessian.CLAIM, report_3_4.CLAIM, santurkar_4_2.CLAIM)
AXE = "axe-core@4.14.1"  # nobody else's code is kept here: npm brings it when it is asked for
# Of an element: whether any part of it is drawn outside of every box that could scroll to it.
SPILLS = """() => [...document.querySelectorAll('body *')].filter(element => {
  const box = element.getBoundingClientRect();
  return box.right > document.documentElement.clientWidth + 1 && box.width > 0
    && !element.closest('.scroll, .display, .frame, .sheet, .skip');
}).map(element => element.outerHTML.slice(0, 80))"""
UNNAMED = """() => [
  ...[...document.querySelectorAll('svg:not([aria-hidden])')]
    .filter(e => e.getAttribute('role') !== 'img' || !e.getAttribute('aria-label')),
  ...[...document.querySelectorAll('img')].filter(e => !e.alt),
].map(e => e.outerHTML.slice(0, 80))"""


def record(claim: Claim, folder: Path) -> dict[str, Any]:
    """A claim as `verify` writes it down, its evidence invented."""

    def line(figure: Figure, _: Claim, found: Evidence) -> str:
        figure.subplots().plot([0, 1], [1, 0], label=found.summary)
        return "A falling line."

    found = Evidence(Kind.INSTANCES, True, True, "Found on 24 networks.")
    spec = claim.check_of(type(bn_hessian.CLAIM.checks[0]))
    printed = {
        name: None if part in (None, True) else {"latex": latex(part), "text": text(part)}
        for name in ("relation", "domain", "control")
        for part in (getattr(claim, name),)
    }
    item = {"kind": str(found.kind), "holds": True, "control_differs": True}
    wide = {f"a long column {i}": 1e-5 * i for i in range(20)}
    numbers = {"networks": 24, "row": list(range(40)), "by size": {"2": 0.1}, "wide": [wide]}
    return {
        **{"id": claim.id, "title": claim.title, "statement": claim.statement},
        "sources": [vars(source) for source in claim.sources],
        **printed,
        **{
            "remark": claim.remark,
            "reads": None,
            "corrects": [],
            "credit": {"first": "A. Author (2020)"},
            "error": None,
            "as_expected": True,
            "setting": None,
        },
        **{"verdict": str(claim.expected), "expected": str(claim.expected), "seconds": 1.0},
        "steps": [vars(step) for step in spec.prove().steps],
        "evidence": [
            {**item, "summary": found.summary, "numbers": numbers, "provenance": {"seed": 0}}
        ],
        "figure": figures.save(claim, found, line, folder),
    }


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    content = {
        **{"schema": 2, "bnproof": "0.1.0", "created": "2026-11-21T10:00:00+00:00"},
        **{"command": "bnproof verify", "environment": {"python": "3.11"}},
        "settings": {"scale": "smoke", "seed": 0, "data": "photos"},
        "sentences": listed([{"id": claim.id, "verdict": str(claim.expected)} for claim in CLAIMS]),
        "claims": [record(claim, folder) for claim in CLAIMS],
        "normalizers": [],
        "layers": [],
    }
    return write(content, folder)


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script that looks for what shuts people out."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: it brings axe-core")
    folder = tmp_path_factory.mktemp("axe")
    patience = ("--fetch-retries=1", "--fetch-timeout=20000")  # milliseconds
    command = [npm, "pack", AXE, "--silent", *patience, "--pack-destination", str(folder)]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm did not bring {AXE}: {type(error).__name__}")
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as members:
        script = members.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


class Visit:
    """A page opened without network: what it asked for, and what it complained about."""

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        self.context = browser.new_context(offline=True, **options)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.context.route("http*://**", lambda route: route.abort())
        self.page.goto(file.as_uri(), timeout=120_000)

    def close(self) -> None:
        self.context.close()


@pytest.fixture(params=[(1280, "light"), (400, "dark")], ids=["wide light", "narrow dark"])
def visit(request: pytest.FixtureRequest, browser: Any, page_file: Path) -> Iterator[Visit]:
    width, scheme = request.param
    size = {"width": width, "height": 800}
    found = Visit(browser, page_file, viewport=size, color_scheme=scheme)
    yield found
    found.close()


def test_the_page_is_complete_without_network(visit: Visit, page_file: Path) -> None:
    page = visit.page
    assert [u for u in visit.requests if not u.startswith("data:")] == [page_file.as_uri()]
    assert visit.complaints == []
    for claim in CLAIMS:
        assert page.locator(f"section#{claim.id} h3").inner_text() == claim.title
    assert page.evaluate(UNNAMED) == []
    images = page.locator("img")
    assert images.count() == len(CLAIMS)
    assert images.evaluate_all("all => all.every(e => e.complete && e.naturalWidth > 0)")


def test_nothing_spills_out_of_the_page(visit: Visit) -> None:
    visit.page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
    assert visit.page.evaluate(SPILLS) == []
    width = visit.page.evaluate("document.documentElement.scrollWidth")
    assert width == visit.page.viewport_size["width"]


def test_formulas_are_drawn_in_the_colour_of_the_text(visit: Visit) -> None:
    formula = visit.page.locator("section svg.formula").first
    box = formula.bounding_box()
    assert box["height"] > 15
    colours = formula.evaluate("e => [getComputedStyle(e).fill, getComputedStyle(e).color]")
    assert colours[0] == colours[1]
    page = visit.page
    page.evaluate("document.fonts.ready.then(() => true)")
    assert page.evaluate("[...document.fonts].map(f => [f.family, f.status])") == [
        ["formulas", "loaded"]
    ]


def test_axe_finds_no_violation(visit: Visit, axe: str) -> None:
    page = visit.page
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
    page.evaluate(f"{axe}; 0")
    found = page.evaluate("axe.run().then(result => [result.violations, result.passes.length])")
    told = [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in found[0]]
    assert told == []
    assert found[1] > 20, "rules that were applied"


def test_search_and_filters_show_what_fits(visit: Visit) -> None:
    page = visit.page
    form = page.get_by_role("search")
    rows, sections = page.locator(".index tbody tr:visible"), page.locator("section:visible")
    told = form.locator("output")
    assert told.inner_text() == "3 of 3 claims"
    form.get_by_label("Verdict").select_option("refuted")
    kept = [c.id for c in CLAIMS if str(c.expected) == "refuted"]
    assert 0 < len(kept) < len(CLAIMS)
    assert rows.count() == sections.count() == len(kept)
    assert told.inner_text() == f"{len(kept)} of 3 claims"
    assert page.get_by_role("heading", name="What holds").count() == 0
    form.get_by_label("Source").select_option("S1")
    assert sections.count() == sum(id == report_3_4.CLAIM.id for id in kept)
    # A link to what is hidden shows it.
    hidden = CLAIMS[0].id
    page.evaluate(f"location.hash = '{hidden}'")
    page.locator(f"section#{hidden}").wait_for(state="visible")
    assert rows.count() == len(CLAIMS)
    form.get_by_label("Search").fill(f"HESSIAN {hidden}")
    assert rows.count() == 1
    form.get_by_label("Search").fill("no such word")
    assert rows.count() == 0
    form.get_by_role("button", name="Clear").click()
    page.wait_for_function("document.querySelector('output').textContent.startsWith('3 of 3')")
    form.get_by_label("Evidence").select_option("random instances")
    assert rows.count() == len(CLAIMS)
    assert visit.complaints == []


def test_formulas_and_citations_can_be_copied(browser: Any, page_file: Path) -> None:
    found = Visit(browser, page_file, permissions=["clipboard-read", "clipboard-write"])
    section = found.page.locator(f"section#{CLAIMS[0].id}")
    for name, start in (("LaTeX", "% statement"), ("BibTeX", f"@misc{{bnproof_{CLAIMS[0].id},")):
        section.locator(".cite").evaluate("e => { e.open = true }")
        button = section.get_by_role("button", name=f"Copy {name}").element_handle()
        button.click()
        found.page.wait_for_function("button => button.textContent === 'Copied'", arg=button)
        assert found.page.evaluate("navigator.clipboard.readText()").startswith(start)
    found.close()


def test_a_figure_can_be_enlarged(visit: Visit) -> None:
    image = visit.page.locator("img").first
    before = image.bounding_box()["width"]
    visit.page.get_by_label("Enlarge figure").first.check()
    assert image.bounding_box()["width"] > 2 * before


def test_the_page_can_be_read_without_scripts(browser: Any, page_file: Path) -> None:
    found = Visit(browser, page_file, java_script_enabled=False)
    page = found.page
    assert not page.get_by_role("search").is_visible()
    assert page.locator(".index tbody tr:visible").count() == len(CLAIMS)
    section = page.locator(f"section#{CLAIMS[1].id}")
    assert "refuted" in section.inner_text()
    details = section.locator("details", has_text="Derivation").first
    assert not details.locator("li").first.is_visible()
    details.locator("summary").click()
    assert details.locator("li").first.is_visible()
    page.get_by_role("link", name=f"Link to {CLAIMS[1].id}").click()
    assert page.url.endswith(f"#{CLAIMS[1].id}")
    found.close()


def test_printing_opens_the_derivations(browser: Any, page_file: Path) -> None:
    found = Visit(browser, page_file, color_scheme="dark")
    found.page.emulate_media(media="print")
    step = found.page.locator("details li").first
    assert step.bounding_box()["height"] > 10
    assert found.page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    found.close()
