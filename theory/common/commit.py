"""The commit of the running code."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent


@cache
def commit(root: Path = FOLDER) -> str:
    """Return the commit of this code, with ``-dirty`` if a Python file was modified.

    Other files are ignored, because publishing itself writes some.  An installed package has no
    commit, even if it is installed inside a repository.  Git is asked once per process, because
    later commits and edits do not change the code that is already loaded.
    """
    try:
        if not _git(root, "ls-files", "commit.py"):
            return "unknown"
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        # The whole repository is checked: simulate/, empirical/ and src/ are elsewhere.
        return f"{head}-dirty" if _git(root, "status", "--porcelain", "--", ":/*.py") else head
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(folder: Path, *arguments: str) -> str:
    run = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()
