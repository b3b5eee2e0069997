"""Publish the saved benchmark results as a page that works offline, and open it.

    python benchmarks/dashboard.py [--out FOLDER] [--no-open]

asv's page loads jQuery, Flot, Bootstrap and others from the network, and data from a web server.
Here these files come from npm packages with fixed versions and checksums, and the data are embedded
in a script, so that the page can be opened as a file.  None of this is stored in the repository.
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

from benchmarks.record import holes, register  # noqa: E402

CONFIG = HERE / "asv.conf.json"
PACKAGES = HERE.parent / ".asv" / "npm"  # npm packages, kept so that they are downloaded only once
VENDOR = "vendor"
DATA = "data.js"


class DashboardError(Exception):
    """The page cannot be built; the message states the reason and the fix."""


@dataclass(frozen=True)
class Asset:
    """A file that asv's page loads from the network.

    Attributes
    ----------
    page
        The end of its URL.
    package, path
        The npm package with its version, and the path of the file in it.
    sha256
        Checksum in base64; for some files asv's page contains the same one.
    """

    page: str
    package: str
    path: str
    sha256: str

    @property
    def name(self) -> str:
        """Name of the local file."""
        return Path(self.path).name

    def source(self, packages: Path) -> Path:
        """Return the path of the installed file."""
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
# jQuery uses this transport before the network, because a page opened as a file cannot read other
# files.  Query strings are ignored.  The answer must be asynchronous and follow the load event,
# because the other scripts and asv's stylesheets must be ready first.
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
TIMEOUT = 60  # seconds for npm
REMOTE = re.compile(r"""<(?:script|link)\b[^>]*?\b(?:src|href)="(https?://[^"]+)"[^>]*>""")


def install(packages: Path = PACKAGES) -> None:
    """Install missing npm packages and verify all checksums.

    Raises
    ------
    DashboardError
        If npm is missing or fails, or a checksum differs.
    """
    if not all(asset.source(packages).is_file() for asset in ASSETS):
        npm = shutil.which("npm")
        if npm is None:
            raise DashboardError("npm is not installed: it is needed for the scripts of the page")
        packages.mkdir(parents=True, exist_ok=True)
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--silent")
        timeout = ("--fetch-retries=1", "--fetch-timeout=20000")  # milliseconds
        names = sorted({asset.package for asset in ASSETS})
        command = [npm, "install", *options, *timeout, "--prefix", str(packages), *names]
        try:
            run = subprocess.run(
                command, capture_output=True, text=True, cwd=packages, timeout=TIMEOUT
            )
        except subprocess.TimeoutExpired:
            raise DashboardError(
                f"npm could not install {', '.join(names)}: no response in {TIMEOUT} seconds; "
                "check that the npm registry can be reached"
            ) from None
        if run.returncode:
            reason = (run.stderr.strip() or run.stdout.strip() or "no message").splitlines()[-1]
            raise DashboardError(f"npm could not install {', '.join(names)}: {reason}")
        absent = [asset for asset in ASSETS if not asset.source(packages).is_file()]
        if absent:  # npm may exit with 0 although a package was not fetched
            raise DashboardError(
                f"npm could not install {absent[0].package}: {absent[0].path} is missing; "
                f"delete {packages} and try again"
            )
    for asset in ASSETS:
        digest = hashlib.sha256(asset.source(packages).read_bytes()).digest()
        if base64.b64encode(digest).decode() != asset.sha256:
            raise DashboardError(
                f"{asset.path} of {asset.package} has another checksum; delete {packages}"
            )


def localise(html: str) -> str:
    """Make asv's page load local files instead of files from the network.

    Raises
    ------
    DashboardError
        If it loads a file that is not in `ASSETS`, as another version of asv may.
    """

    def local(match: re.Match[str]) -> str:
        address = match.group(1)
        asset = next((asset for asset in ASSETS if address.endswith(asset.page)), None)
        if asset is None:
            raise DashboardError(f"asv's page loads {address}, which is not in ASSETS; add it")
        path = f"{VENDOR}/{asset.name}"
        if match.group(0).startswith("<link"):
            return f'<link rel="stylesheet" href="{path}">'
        return f'<script src="{path}">'

    page = REMOTE.sub(local, html)
    first = f'src="{VENDOR}/{ASSETS[0].name}"></script>'
    if page.count(first) != 1:
        raise DashboardError(
            "asv's page does not load jQuery in the expected way; adapt `localise`"
        )
    return page.replace(first, f'{first}\n    <script src="{DATA}"></script>')


def embed(folder: Path) -> None:
    """Embed all JSON files of the page in one script, with the transport that serves them."""
    files = sorted(folder.rglob("*.json"))
    content = {
        path.relative_to(folder).as_posix(): json.loads(path.read_text(encoding="utf-8"))
        for path in files
    }
    # Leave out benchmarks without results, whose graphs the page would fail to load.
    listed = content["index.json"]["benchmarks"]
    measured = {name: listed[name] for name in listed if f"graphs/summary/{name}.json" in content}
    content["index.json"]["benchmarks"] = measured
    text = json.dumps(content, separators=(",", ":"))
    (folder / DATA).write_text(f"var dashboardData = {text};\n{TRANSPORT}", encoding="utf-8")


def finish(folder: Path, packages: Path = PACKAGES) -> Path:
    """Make a page published by asv work offline; return its path."""
    page = folder / "index.html"
    page.write_text(localise(page.read_text(encoding="utf-8")), encoding="utf-8")
    vendor = folder / VENDOR
    vendor.mkdir()
    for asset in ASSETS:
        shutil.copyfile(asset.source(packages), vendor / asset.name)
    embed(folder)
    return page


def evaluate(config: Path, html: Path) -> None:
    """Let asv evaluate the results for `config`, regressions included, and write its page.

    Raises
    ------
    DashboardError
        If asv fails.
    """
    command = [sys.executable, "-m", "asv", "publish", "--no-pull"]
    command += ["--config", str(config), "--html-dir", str(html)]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise DashboardError(f"asv publish failed:\n{run.stdout}{run.stderr}")


def publish(config: Path, folder: Path, packages: Path = PACKAGES) -> Path:
    """Build the page for the results of `config` in `folder`.

    Raises
    ------
    DashboardError
        If npm or asv fails, or a checksum differs; then nothing is published.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / DATA).is_file():
        raise DashboardError(f"{folder} contains other files; choose another folder")
    install(packages)
    with tempfile.TemporaryDirectory() as temporary:
        html = Path(temporary) / "html"
        evaluate(config, html)
        finish(html, packages)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(html, folder)
    return folder / "index.html"


def gather(folder: Path) -> Path:
    """Copy the saved results to `folder`, with a list of the benchmarks; return the settings file.

    asv needs the list in the same folder, and a machine name; both are kept out of the repository.
    A commit whose record lacks a benchmark is left out, so that no series has a hole.

    Raises
    ------
    DashboardError
        If there are no complete results, or the benchmarks cannot be imported.
    """
    settings = json.loads(CONFIG.read_text())
    saved = (HERE / settings["results_dir"]).resolve()
    if not any(saved.glob("*/*-*.json")):
        raise DashboardError("there are no results yet; run `make bench`")
    settings |= {"results_dir": "results", "repo": str(HERE.parent), "benchmark_dir": str(HERE)}
    config = folder / "asv.conf.json"
    config.write_text(json.dumps(settings))
    machine = "nobody"
    command = [sys.executable, str(HERE / "record.py"), "--asv", "run", "--config", str(config)]
    command += ["--bench", "just-discover", "--environment", "here:same", "--machine", machine]
    register(machine)
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise DashboardError(f"asv found no benchmarks:\n{run.stdout}{run.stderr}")
    shutil.rmtree(folder / "results" / machine)
    shutil.copytree(saved, folder / "results", dirs_exist_ok=True)
    leave_out_incomplete(folder / "results")
    return config


def leave_out_incomplete(results: Path) -> None:
    """Remove records that lack a benchmark, or measured it otherwise than it is measured now.

    Raises
    ------
    DashboardError
        If no record is left.
    """
    benchmarks = json.loads((results / "benchmarks.json").read_text())
    left = 0
    for path in sorted(results.glob("*/*-*.json")):
        lacking = holes(json.loads(path.read_text()), benchmarks)
        if lacking:
            also = f" and {len(lacking) - 1} others" if len(lacking) > 1 else ""
            name = f"{path.parent.name}/{path.name}"
            print(f"dashboard: {name} is left out: it lacks {lacking[0]}{also}", file=sys.stderr)
            path.unlink()
        left += not lacking
    if not left:
        raise DashboardError("no record has all benchmarks; run `make bench` without --bench")


def main() -> int:
    """Build and open the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE.parent / ".asv" / "html")
    parser.add_argument("--no-open", action="store_true", help="only print the path of the page")
    options = parser.parse_args()
    try:
        install()  # first, to report missing packages immediately
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
