"""The commit in a record."""

import subprocess
from pathlib import Path

from bnproof.theory.common.commit import commit


def test_the_commit_is_that_of_the_code_that_runs(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        run = subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)
        return run.stdout.decode().strip()

    folder = tmp_path / "theory" / "common"
    code = [folder / "commit.py", tmp_path / "src" / "bnproof" / "code.py"]
    code += [tmp_path / name / "code.py" for name in ("theory", "simulate", "empirical")]
    for path in code:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    for name in ("theory", "simulate", "empirical"):
        (tmp_path / "src" / "bnproof" / name).symlink_to(Path("../..") / name)
    assert commit.__wrapped__(folder) == "unknown"
    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "-m", "of another project")
    assert commit.__wrapped__(folder) == "unknown"
    git("add", ".")
    git("commit", "--quiet", "-m", "ours")
    head = git("rev-parse", "HEAD")[:12]
    assert commit.__wrapped__(folder) == head
    (tmp_path / "result.json").write_text("{}")
    assert commit.__wrapped__(folder) == head
    elsewhere = tmp_path / "elsewhere"  # the package reached through a link
    elsewhere.symlink_to(tmp_path / "src" / "bnproof")
    for path in code:
        path.write_text("changed = True\n")
        assert commit.__wrapped__(folder) == f"{head}-dirty", path
        assert commit.__wrapped__(elsewhere / "theory" / "common") == f"{head}-dirty", path
        path.write_text("")
    assert commit.__wrapped__(folder) == head
