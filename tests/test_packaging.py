"""What is built holds every file once; a copy of the tree that lost its links is mended by make."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

hatchling = pytest.importorskip("hatchling", reason="hatchling is not installed: extra `dev`")
from hatchling.builders.sdist import SdistBuilder  # noqa: E402
from hatchling.builders.wheel import WheelBuilder  # noqa: E402

from bnproof import __main__  # noqa: E402

pytestmark = pytest.mark.sources

FOLDERS = ("theory", "simulate", "empirical")
LINKS = tuple(f"src/bnproof/{name}" for name in FOLDERS)


@pytest.fixture(scope="module")
def tracked(root: Path) -> set[str]:
    """Files that git tracks, less the links."""
    if not (root / ".git").exists():
        pytest.skip("no repository here: a copy has no list of files to compare with")
    run = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True
    )
    return set(run.stdout.split("\0")) - {"", *LINKS}


def in_wheel(files: set[str]) -> set[str]:
    """Where the files of the four folders stand in the wheel."""
    moved = {path.removeprefix("src/") for path in files if path.startswith("src/bnproof/")}
    return moved | {f"bnproof/{path}" for path in files if path.startswith(FOLDERS)}


def listed(builder: WheelBuilder | SdistBuilder) -> set[str]:
    return {str(file.distribution_path) for file in builder.recurse_included_files()}


def assert_same(built: set[str], files: set[str]) -> None:
    assert built - files == set(), "built, but git does not track it: `git add` or remove it"
    assert files - built == set(), "not built: see tool.hatch.build in pyproject.toml"


def test_the_wheel_holds_every_file(root: Path, tracked: set[str]) -> None:
    assert len(in_wheel(tracked)) > 400
    assert_same(listed(WheelBuilder(str(root))), in_wheel(tracked))


def copied(root: Path, tracked: set[str], folder: Path) -> Path:
    """The tracked files without links and without a repository."""
    for path in tracked:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / path, folder / path)
    return folder


def lose_links(tree: Path, how: str) -> None:
    """Leave the links out, as text files as git and archives may write them, or as folders."""
    for name in FOLDERS:
        link = tree / "src" / "bnproof" / name
        if how == "text":
            link.write_text(f"../../{name}")
        elif how == "folder":
            shutil.copytree(tree / name, link)


@pytest.mark.parametrize("how", ["missing", "text", "folder"])
def test_a_copy_without_links_builds_the_same(
    root: Path, tracked: set[str], tmp_path: Path, how: str
) -> None:
    tree = copied(root, tracked, tmp_path / "tree")
    lose_links(tree, how)
    assert_same(listed(WheelBuilder(str(tree))), in_wheel(tracked))
    assert listed(SdistBuilder(str(tree))) == listed(SdistBuilder(str(root)))


def test_a_clone_without_links_builds_the_same(root: Path, tmp_path: Path) -> None:
    """Of the last commit, which may differ from the tree."""
    git = ["git", "-C", str(tmp_path)]
    clone = ["clone", "--quiet", "-c", "core.symlinks=false", str(root), "tree"]
    if not (root / ".git").exists():
        pytest.skip("no repository here")
    subprocess.run([*git, *clone], check=True)
    tree = tmp_path / "tree"
    shutil.copy(root / "pyproject.toml", tree)
    assert all((tree / link).is_file() and not (tree / link).is_symlink() for link in LINKS)
    files = subprocess.run(
        ["git", "ls-files"], cwd=tree, capture_output=True, text=True, check=True
    ).stdout.split()
    assert_same(listed(WheelBuilder(str(tree))), in_wheel(set(files) - set(LINKS)))


def test_the_source_distribution_holds_every_file(
    root: Path, tracked: set[str], tmp_path: Path
) -> None:
    """And the wheel that is built from it, which adds nothing but its own metadata."""
    (archive,) = SdistBuilder(str(root)).build(directory=str(tmp_path))
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
        file.extractall(tmp_path, filter="data")
    assert_same(names - {"PKG-INFO"}, tracked)
    (tree,) = (path for path in tmp_path.iterdir() if path.is_dir())
    (wheel,) = WheelBuilder(str(tree)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as file:
        built = set(file.namelist())
    own = {name for name in built if ".dist-info/" in name}
    assert_same(built - own, in_wheel(tracked))
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    assert {name.partition("/")[0] for name in built} == {"bnproof", f"bnproof-{version}.dist-info"}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_link_is_a_link(root: Path, name: str) -> None:
    link = root / "src" / "bnproof" / name
    assert link.is_symlink(), f"{link} is no link: run make, which restores it"
    assert link.readlink() == Path("../..") / name
    assert link.samefile(root / name)


def test_make_the_build_and_the_command_know_the_same_links(root: Path) -> None:
    folder = root / "src" / "bnproof"
    links = {path.name for path in folder.iterdir() if path.is_symlink()}
    assert links == set(FOLDERS)
    (made,) = re.findall(r"^LINKS := (.*)$", (root / "Makefile").read_text(), re.MULTILINE)
    assert made.split() == list(FOLDERS)
    build = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert build["exclude"] == [f"/{link}" for link in LINKS]
    assert __main__.LINKS == FOLDERS


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """A tree with the Makefile, and a file in each folder."""
    for name in FOLDERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"NAME = {name!r}\n")
    (tmp_path / "src" / "bnproof").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(root / name, tmp_path)
    return tmp_path


def make(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@needs_make
@pytest.mark.parametrize("how", ["missing", "text", "folder"])
def test_make_restores_links(copy: Path, how: str) -> None:
    lose_links(copy, how)
    run = make(copy, "checkout")
    assert run.stdout == f"restored links that this copy had lost: {' '.join(LINKS)}\n"
    assert (run.returncode, run.stderr) == (0, "")
    for name in FOLDERS:
        link = copy / "src" / "bnproof" / name
        assert link.readlink() == Path("../..") / name
        assert (link / "__init__.py").read_text() == f"NAME = {name!r}\n"
    assert make(copy, "checkout").stdout == ""


@pytest.mark.parametrize("how", ["missing", "text"])
def test_a_copy_without_links_says_how_to_restore_them(root: Path, copy: Path, how: str) -> None:
    package = copy / "src" / "bnproof"
    for name in ("__init__.py", "__init__.pyi", "__main__.py"):
        shutil.copy(root / "src" / "bnproof" / name, package)
    lose_links(copy, how)
    command = [sys.executable, "-m", "bnproof", "--help"]
    run = subprocess.run(command, cwd=copy / "src", capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (
        f"bnproof: {package / 'theory'} should be a link to ../../theory, which this copy has "
        f"lost; run `make checkout` in {copy}, or `pip install .` there\n"
    )


@needs_make
def test_make_restores_a_link_that_points_elsewhere(copy: Path) -> None:
    assert make(copy, "checkout").returncode == 0
    link = copy / "src" / "bnproof" / "theory"
    link.unlink()
    link.symlink_to(copy / "simulate")
    assert make(copy, "checkout").stdout.endswith("lost: src/bnproof/theory\n")
    assert link.samefile(copy / "theory")


@needs_make
def test_make_deletes_no_work(copy: Path) -> None:
    lose_links(copy, "folder")
    changed = copy / "src" / "bnproof" / "simulate" / "__init__.py"
    changed.write_text("changed")
    run = make(copy, "checkout")
    assert run.returncode != 0
    assert run.stderr.splitlines()[0] == (
        "src/bnproof/simulate should be a link but is a folder that differs from simulate: "
        "move your changes to simulate and delete src/bnproof/simulate"
    )
    assert changed.read_text() == "changed"


@needs_make
def test_every_command_of_make_restores_links_first(copy: Path) -> None:
    for target in ("verify", "test", "lint", "docs", "wheel-test", "test-lowest"):
        assert "restored links" in make(copy, "--dry-run", target).stdout, target


@needs_make
def test_make_refuses_an_environment_of_another_python(copy: Path) -> None:
    for folder, version in (("env/bin", 11), ("other", 13)):
        (copy / folder).mkdir(parents=True)
        (copy / folder / "python").write_text(f"#!/bin/sh\necho '(3, {version})'\n")
        (copy / folder / "python").chmod(0o755)
    assert make(copy, "checkout", "VENV=env").returncode == 0
    run = make(copy, "checkout", "VENV=env", "PYTHON=other/python")
    assert run.returncode != 0
    assert run.stderr.startswith("env has another version of Python than other/python; name")
    assert make(copy, "checkout", "VENV=env", "PYTHON=env/bin/python").returncode == 0


def test_the_tests_refuse_the_code_of_another_checkout(root: Path, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    shutil.copy(root / "tests" / "conftest.py", tmp_path / "tests")
    (tmp_path / "tests" / "test_nothing.py").write_text("def test_nothing(): pass\n")
    command = [sys.executable, "-m", "pytest", "-q", "tests"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert run.stderr.strip() == (
        f"ERROR: {sys.executable} imports bnproof from {root / 'src' / 'bnproof'}; to test this "
        f"checkout run `make test`, or first `{sys.executable} -m pip install -e {tmp_path}`"
    )
