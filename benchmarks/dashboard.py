"""Publish the kept results of the benchmarks as a page that works without a network, and open it.

    python benchmarks/dashboard.py [--out FOLDER] [--no-open]

asv writes a page that loads jQuery, Flot, Bootstrap and more from elsewhere, and its data through a
web server.  Here these files come from npm packages at build time, of fixed versions and with fixed
checksums, and lie beside the page; the data lie in a script beside it.  So the page opens from its
file.  Nothing of it is kept in the repository.
"""

import argparse
import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import webbrowser
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.record import register  # noqa: E402

CONFIG = HERE / "asv.conf.json"
PACKAGES = HERE.parent / ".asv" / "npm"  # what npm installed; kept, so that it is fetched once
VENDOR = "vendor"
DATA = "data.js"


class DashboardError(Exception):
    """The page cannot be built; one line that says why and what mends it."""


@dataclass(frozen=True)
class Asset:
    """A file that asv's page loads from elsewhere.

    Attributes
    ----------
    page
        The end of its address there.
    package, path
        The npm package and version that hold it, and where.
    sha256
        Its checksum, base64.  Of some files asv names the same one in its page.
    """

    page: str
    package: str
    path: str
    sha256: str

    @property
    def name(self) -> str:
        """Its name beside the page."""
        return Path(self.path).name

    def source(self, packages: Path) -> Path:
        """Where npm puts it."""
        return packages / "node_modules" / self.package.rsplit("@", 1)[0] / self.path


FLOT = "flot-charts@0.8.3"
ASSETS = (
    Asset(
        *("jquery-3.3.1.min.js", "jquery@3.3.1", "dist/jquery.min.js"),
        "FgpCb/KJQlLNfOu91ta32o/NMZxltwRo8QtmkMRdAu8=",
    ),
    Asset(
        *("flot/0.8.3/jquery.flot.min.js", FLOT, "jquery.flot.js"),
        "t7kx8nPDixJ3ucbB9OBcTsCYhaSHvdrzJ54tfkmjjhI=",
    ),
    Asset(
        *("jquery.flot.time.min.js", FLOT, "jquery.flot.time.js"),
        "pYLIMq3HE4prBar2HxbrrCdHAfG+Sv6nfnOaHDS5xBo=",
    ),
    Asset(
        *("jquery.flot.selection.min.js", FLOT, "jquery.flot.selection.js"),
        "5shfbB6+S02inYriOMfFBgKD8F9+8FT2uRgX0CwJKRg=",
    ),
    Asset(
        *("jquery.flot.categories.min.js", FLOT, "jquery.flot.categories.js"),
        "boFmSyjqeVxzSQb0qhVhRkCnWsf705mn+5CEBAaYNRo=",
    ),
    Asset(
        *("jquery.flot.orderBars.js", "flot-orderbars@1.0.0", "js/jquery.flot.orderBars.js"),
        "OXNbT0b5b/TgglckAfR8VaJ2ezZv0dHoIeRKjYMKEr8=",
    ),
    Asset(
        *("stupidtable.min.js", "stupid-table-plugin@1.1.3", "stupidtable.min.js"),
        "RkI4Dyjr6e18rCUXk7KB74YgxDhiBdkniPmxL1zOtOA=",
    ),
    Asset(
        *("md5.min.js", "blueimp-md5@2.19.0", "js/md5.min.js"),
        "ZNfe04jFYuS96eWM4gXl+gG5c0/NQ01Jbre0+/6bkn0=",
    ),
    Asset(
        *("bootstrap.min.js", "bootstrap@3.1.1", "dist/js/bootstrap.min.js"),
        "iY0FoX8s/FEg3c26R6iFw3jAtGbzDwcA5QJ1fiS0A6E=",
    ),
    Asset(
        *("bootstrap.min.css", "bootstrap@3.1.1", "dist/css/bootstrap.min.css"),
        "6VA0SGkrc43SYPvX98q/LhHwm2APqX5us6Vuulsafps=",
    ),
)
# jQuery asks this transport before the network: a page that was opened from a file may read nothing
# else from disk.  Times of day and the like behind a question mark are no part of a name.
# It answers later, as a network does: at once would be before other scripts say what they show, and
# before the page has loaded would be before asv's stylesheets say how large a graph is.
TRANSPORT = """
jQuery.ajaxTransport("+*", function (options) {
  var name = decodeURIComponent(options.url.split("?")[0]);
  if (!Object.prototype.hasOwnProperty.call(dashboardData, name)) { return; }
  return {
    send: function (_headers, done) {
      function answer() {
        setTimeout(function () { done(200, "OK", { json: dashboardData[name] }); });
      }
      if (document.readyState === "complete") { answer(); }
      else { jQuery(window).one("load", answer); }
    },
    abort: function () {}
  };
});
"""
PATIENCE = 60  # seconds for npm
ELSEWHERE = re.compile(r"""<(?:script|link)\b[^>]*?\b(?:src|href)="(https?://[^"]+)"[^>]*>""")


def install(packages: Path = PACKAGES) -> None:
    """Have npm bring what is not there yet, and check every file.

    Raises
    ------
    DashboardError
        If npm is missing or fails, or a file is not the one that was asked for.
    """
    if not all(asset.source(packages).is_file() for asset in ASSETS):
        npm = shutil.which("npm")
        if npm is None:
            raise DashboardError("npm is not installed: the page's scripts come from its packages")
        packages.mkdir(parents=True, exist_ok=True)
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--silent")
        patience = ("--fetch-retries=1", "--fetch-timeout=20000")  # milliseconds
        names = sorted({asset.package for asset in ASSETS})
        command = [npm, "install", *options, *patience, "--prefix", str(packages), *names]
        try:
            run = subprocess.run(
                command, capture_output=True, text=True, cwd=packages, timeout=PATIENCE
            )
        except subprocess.TimeoutExpired:
            raise DashboardError(
                f"npm could not install {', '.join(names)}: no answer in {PATIENCE} seconds; "
                "look whether its registry can be reached"
            ) from None
        if run.returncode:
            reason = (run.stderr.strip() or run.stdout.strip() or "no message").splitlines()[-1]
            raise DashboardError(f"npm could not install {', '.join(names)}: {reason}")
    for asset in ASSETS:
        digest = hashlib.sha256(asset.source(packages).read_bytes()).digest()
        if base64.b64encode(digest).decode() != asset.sha256:
            raise DashboardError(
                f"{asset.path} of {asset.package} has another checksum; delete {packages}"
            )


def localise(html: str) -> str:
    """Let asv's page load the files beside it and nothing from elsewhere.

    Raises
    ------
    DashboardError
        If it asks for a file that no `Asset` stands for, as another version of asv may.
    """

    def beside(match: re.Match[str]) -> str:
        address = match.group(1)
        asset = next((asset for asset in ASSETS if address.endswith(asset.page)), None)
        if asset is None:
            raise DashboardError(f"asv's page loads {address}, which no package stands for")
        here = f"{VENDOR}/{asset.name}"
        if match.group(0).startswith("<link"):
            return f'<link rel="stylesheet" href="{here}">'
        return f'<script src="{here}">'

    found = ELSEWHERE.sub(beside, html)
    first = f'src="{VENDOR}/{ASSETS[0].name}"></script>'
    if found.count(first) != 1:
        raise DashboardError("asv's page does not load jQuery as it used to")
    return found.replace(first, f'{first}\n    <script src="{DATA}"></script>')


def embed(folder: Path) -> None:
    """Gather every JSON file of the page into one script, with the transport that hands it out."""
    files = sorted(folder.rglob("*.json"))
    content = {
        path.relative_to(folder).as_posix(): json.loads(path.read_text(encoding="utf-8"))
        for path in files
    }
    # A benchmark that was never run has no graph, and the page would look for one.
    listed = content["index.json"]["benchmarks"]
    drawn = {name: listed[name] for name in listed if f"graphs/summary/{name}.json" in content}
    content["index.json"]["benchmarks"] = drawn
    text = json.dumps(content, separators=(",", ":"))
    (folder / DATA).write_text(f"var dashboardData = {text};\n{TRANSPORT}", encoding="utf-8")


def finish(folder: Path, packages: Path = PACKAGES) -> Path:
    """Make a page that asv published work without a network; returns it."""
    page = folder / "index.html"
    page.write_text(localise(page.read_text(encoding="utf-8")), encoding="utf-8")
    vendor = folder / VENDOR
    vendor.mkdir()
    for asset in ASSETS:
        shutil.copyfile(asset.source(packages), vendor / asset.name)
    embed(folder)
    return page


def publish(config: Path, folder: Path, packages: Path = PACKAGES) -> Path:
    """Build the page of the results that `config` names in `folder`.

    Raises
    ------
    DashboardError
        If npm or asv fails, or a file is not what it should be; nothing is published then.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / DATA).is_file():
        raise DashboardError(f"{folder} holds something else than a page of ours; name another")
    install(packages)
    with tempfile.TemporaryDirectory() as made:
        html = Path(made) / "html"
        command = [sys.executable, "-m", "asv", "publish", "--no-pull"]
        command += ["--config", str(config), "--html-dir", str(html)]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            raise DashboardError(f"asv publish failed:\n{run.stdout}{run.stderr}")
        finish(html, packages)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(html, folder)
    return folder / "index.html"


def gather(folder: Path) -> Path:
    """Copy the kept results to `folder`, with a list of the benchmarks; returns its settings.

    asv wants the list beside the results, and the name of a machine; both stay out of the record.

    Raises
    ------
    DashboardError
        If there are no results, or the benchmarks cannot be imported.
    """
    settings = json.loads(CONFIG.read_text())
    kept = (HERE / settings["results_dir"]).resolve()
    if not kept.is_dir():
        raise DashboardError("there are no results yet: run make bench")
    settings |= {"results_dir": "results", "repo": str(HERE.parent), "benchmark_dir": str(HERE)}
    config = folder / "asv.conf.json"
    config.write_text(json.dumps(settings))
    machine = "nobody"
    command = [sys.executable, str(HERE / "record.py"), "--asv", "run", "--config", str(config)]
    command += ["--bench", "just-discover", "--environment", "here:same", "--machine", machine]
    register(machine)
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise DashboardError(f"asv finds no benchmarks:\n{run.stdout}{run.stderr}")
    shutil.rmtree(folder / "results" / machine)
    shutil.copytree(kept, folder / "results", dirs_exist_ok=True)
    return config


def main() -> int:
    """Build and open the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE.parent / ".asv" / "html")
    parser.add_argument("--no-open", action="store_true", help="only print where the page is")
    options = parser.parse_args()
    try:
        install()  # first: what is missing is said at once
        with tempfile.TemporaryDirectory() as folder:
            page = publish(gather(Path(folder)), options.out.resolve())
    except DashboardError as error:
        print(f"dashboard: {error}", file=sys.stderr)
        return 2
    print(page)
    if not options.no_open:
        try:
            webbrowser.get()
        except webbrowser.Error:
            return 0
        webbrowser.open(page.as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
