"""The dashboard: what it takes from npm, what it refuses, and its graphs without a network."""

import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

pytest.importorskip("asv", reason="asv is not installed: the extra `dev` has it")
dashboard = pytest.importorskip("benchmarks.dashboard", reason="the sources are not here")

pytestmark = [pytest.mark.sources, pytest.mark.xdist_group("browser")]

PAGE = """<html><head>
<script src="https://example.org/jquery-3.3.1.min.js" integrity="x" onerror="f()"></script>
<link rel="stylesheet" href="https://example.org/css/bootstrap.min.css" crossorigin="anonymous">
<script src="asv.js"></script></head><body><a href="https://example.org">asv</a></body></html>"""
SECONDS = (0.25, 0.5, 0.125)  # of the one benchmark, at three commits
NAME = "bench_example.Example.time_example"
# Points of the first series that Flot holds, and how many pixels of the canvas are not blank.
POINTS = "() => $('#main-graph').data('plot')?.getData()[0]?.data.map(point => point[1])"
INK = """() => { const canvas = document.querySelector('#main-graph canvas.flot-base');
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return pixels.filter((value, at) => at % 4 === 3 && value > 0).length; }"""


def test_the_page_loads_only_what_lies_beside_it() -> None:
    found = dashboard.localise(PAGE)
    assert "example.org/jquery" not in found
    assert "integrity" not in found
    assert found.index("vendor/jquery.min.js") < found.index("data.js") < found.index("asv.js")
    assert '<link rel="stylesheet" href="vendor/bootstrap.min.css">' in found
    assert '<a href="https://example.org">' in found  # a reader may follow it; the page does not


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("css/bootstrap.min.css", "css/other.css", "other.css, which is not in ASSETS"),
        ("jquery-3.3.1.min.js", "md5.min.js", "does not load jQuery"),
    ],
)
def test_another_page_is_refused(old: str, new: str, why: str) -> None:
    with pytest.raises(dashboard.DashboardError, match=why):
        dashboard.localise(PAGE.replace(old, new))


def test_every_script_of_the_installed_asv_is_known() -> None:
    import asv

    page = Path(asv.__file__).with_name("www") / "index.html"
    found = dashboard.localise(page.read_text(encoding="utf-8"))
    assert found.count(f'="{dashboard.VENDOR}/') == len(dashboard.ASSETS)
    # Where asv states a checksum of the same kind, it is the one that is demanded here.
    stated = [asset for asset in dashboard.ASSETS if asset.sha256 in page.read_text()]
    assert {asset.name for asset in stated} >= {"jquery.min.js", "bootstrap.min.js"}


def test_without_npm_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(dashboard.DashboardError, match="npm is not installed") as caught:
        dashboard.install(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_with_another_content_is_refused(tmp_path: Path) -> None:
    for asset in dashboard.ASSETS:
        asset.source(tmp_path).parent.mkdir(parents=True, exist_ok=True)
        asset.source(tmp_path).write_text("alert('not what was asked for')")
    with pytest.raises(dashboard.DashboardError, match="another checksum"):
        dashboard.install(tmp_path)


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def project(folder: Path, series: dict[str, Sequence[float]], **settings: Any) -> Path:
    """Commits of an empty project, and what benchmarks gave at each, in asv's own words."""
    git(folder, "init", "--quiet")
    results = folder / "results" / "a-machine"
    results.mkdir(parents=True)
    machine = {"arch": "x86_64", "cpu": "a processor", "machine": "a-machine"}
    (results / "machine.json").write_text(json.dumps(machine | {"version": 1}))
    for number, seconds in enumerate(zip(*series.values(), strict=True)):
        git(folder, "commit", "--quiet", "--allow-empty", "-m", str(number))
        commit = git(folder, "rev-parse", "HEAD")
        content = {
            **{"version": 2, "commit_hash": commit, "env_name": "here", "python": "3.11"},
            **{"date": 1_700_000_000_000 + number, "params": machine, "requirements": {}},
            **{"env_vars": {}, "durations": {}, "result_columns": ["result", "params", "version"]},
            "results": {
                name: [[value], [], "1"] for name, value in zip(series, seconds, strict=True)
            },
        }
        (results / f"{commit[:8]}-here.json").write_text(json.dumps(content))
    benchmark = {
        **{"type": "time", "unit": "seconds", "version": "1", "code": ""},
        **{"params": [], "param_names": []},
    }
    never = "bench_example.Example.time_never_run"
    described = {name: benchmark | {"name": name} for name in (*series, never)}
    (folder / "results" / "benchmarks.json").write_text(json.dumps(described | {"version": 2}))
    path = folder / "asv.conf.json"
    settings |= {"version": 1, "project": "example", "repo": str(folder), "branches": ["HEAD"]}
    path.write_text(json.dumps(settings | {"results_dir": "results", "html_dir": "html"}))
    return path


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project(tmp_path_factory.mktemp("project"), {NAME: SECONDS})


def test_a_slowdown_of_20_percent_is_a_regression_and_one_below_the_threshold_is_none(
    tmp_path: Path,
) -> None:
    """Six commits, the last two slower, with the noise of 1 % that pairs in one process have."""
    random = Random(0)
    slower = {"slowed_by_20": 1.2, "slowed_by_25": 1.25, "slowed_by_5": 1.05, "same": 1.0}
    series = {
        f"bench_example.Example.time_{name}": [
            factor ** (number >= 4) * random.gauss(1, 0.01) for number in range(6)
        ]
        for name, factor in slower.items()
    }
    limits = json.loads(dashboard.CONFIG.read_text())["regressions_thresholds"]
    assert all(0.05 < limit < 0.2 for limit in limits.values())
    dashboard.evaluate(project(tmp_path, series, regressions_thresholds=limits), tmp_path / "html")
    found = json.loads((tmp_path / "html" / "regressions.json").read_text())["regressions"]
    assert sorted(row[0].rpartition("_by_")[2] for row in found) == ["20", "25"]


def test_a_record_with_a_hole_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = project(tmp_path, {NAME: SECONDS}).parent / "results"
    described = json.loads((results / "benchmarks.json").read_text())
    del described["bench_example.Example.time_never_run"]
    (results / "benchmarks.json").write_text(json.dumps(described))
    one, *others = sorted((results / "a-machine").glob("*-*.json"))
    one.write_text(one.read_text().replace(NAME, f"{NAME}_before"))
    dashboard.leave_out_incomplete(results)
    assert capsys.readouterr().err == (
        f"dashboard: a-machine/{one.name} is left out: it lacks {NAME}\n"
    )
    assert sorted((results / "a-machine").glob("*-*.json")) == others
    for path in others:
        path.write_text(path.read_text().replace('"1"', '"2"'))
    with pytest.raises(dashboard.DashboardError, match="no record has all benchmarks"):
        dashboard.leave_out_incomplete(results)


def test_a_folder_that_is_no_page_is_left_as_it_is(config: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(dashboard.DashboardError, match="contains other files; choose another"):
        dashboard.publish(config, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.fixture(scope="module")
def page(config: Path, root: Path) -> Path:
    if shutil.which("npm") is None and not dashboard.PACKAGES.is_dir():
        pytest.skip("npm is not installed: the page's scripts come from its packages")
    try:
        dashboard.install()
    except dashboard.DashboardError as error:
        if "npm could not install" in str(error):
            pytest.skip(f"no package can be had here: {error}")
        raise
    return dashboard.publish(config, config.parent / "html")


def test_results_that_asv_cannot_read_keep_the_old_page(config: Path, page: Path) -> None:
    before = page.read_bytes()
    broken = config.with_name("broken.conf.json")
    broken.write_text(config.read_text().replace('"results"', '"nothing"'))
    with pytest.raises(dashboard.DashboardError, match="asv publish failed"):
        dashboard.publish(broken, page.parent)
    assert page.read_bytes() == before


class Visit:
    """The page opened from its file with the network cut off; what it asked for and said."""

    def __init__(self, browser: Any, page: Path, styles_late: bool = False) -> None:
        self.context = browser.new_context(offline=True)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda request: self.complaints.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.context.route("http*://**", lambda route: route.abort())
        if styles_late:
            self.context.route("**/*.css", lambda route: (time.sleep(0.2), route.continue_()))
        self.page.goto(page.as_uri())


@pytest.mark.browser
@pytest.mark.parametrize("styles_late", [False, True])
def test_graphs_are_drawn_without_a_network(browser: Any, page: Path, styles_late: bool) -> None:
    visit = Visit(browser, page, styles_late)
    # The small graph first: one still to come when its page is left has no place to be drawn.
    visit.page.wait_for_selector(f"#summarygrid-display a[href*='{NAME}'] canvas")
    visit.page.goto(f"{page.as_uri()}#{NAME}")
    visit.page.wait_for_function(f"({POINTS})()?.length === {len(SECONDS)}")
    assert visit.page.evaluate(POINTS) == list(SECONDS)
    assert visit.page.evaluate(INK) > 1_000
    assert visit.complaints == []
    assert [url for url in visit.requests if not url.startswith(("file:", "data:"))] == []
    visit.context.close()


@pytest.mark.browser
def test_lists_of_benchmarks_and_of_regressions_open(browser: Any, page: Path) -> None:
    visit = Visit(browser, page)
    for name, shown in (("summarylist", "time_example"), ("regressions", "time_example")):
        visit.page.goto(f"{page.as_uri()}#/{name}")
        visit.page.wait_for_selector(f"#{name}-body table", state="attached")
        assert shown in visit.page.inner_text(f"#{name}-body") or name == "regressions"
    assert visit.complaints == []
    visit.context.close()


@pytest.mark.browser
def test_without_its_data_the_page_draws_nothing(browser: Any, page: Path, tmp_path: Path) -> None:
    copy = tmp_path / "html"
    shutil.copytree(page.parent, copy)
    (copy / dashboard.DATA).write_text("")
    visit = Visit(browser, copy / "index.html")
    visit.page.goto(f"{(copy / 'index.html').as_uri()}#{NAME}")
    visit.page.wait_for_function("() => $('#error-message').text().includes('Error fetching')")
    assert visit.page.evaluate(POINTS) is None
    assert visit.complaints != []
    visit.context.close()
