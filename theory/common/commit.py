"""The commit of the code that runs."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent


@cache
def commit(root: Path = FOLDER) -> str:
    """Return the commit of this code, with ``-dirty`` if a Python file was modified.

    Other files are ignored, because publishing itself writes some.  An installed package has no
    commit, even if it is installed inside a repository.  Asked once a process: later commits and
    edits are not those of the code that it has loaded.
    """
    try:
        if not _git(root, "ls-files", "commit.py"):
            return "unknown"
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        # The whole repository: simulate/, empirical/ and src/ are not below this folder.
        return f"{head}-dirty" if _git(root, "status", "--porcelain", "--", ":/*.py") else head
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(folder: Path, *arguments: str) -> str:
    found = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return found.stdout.strip()
