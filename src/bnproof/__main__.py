"""`python -m bnproof` and the command `bnproof`."""

import sys
from pathlib import Path
from typing import Final

LINKS: Final = ("theory", "simulate", "empirical")  # in a checkout; folders where it is installed


def main() -> None:
    """Run the command line, or say what to do if this copy of the tree has lost its links."""
    package = Path(__file__).parent
    for name in LINKS:
        if not (package / name / "__init__.py").is_file():
            print(
                f"bnproof: {package / name} should be a link to ../../{name}, which this copy has "
                f"lost; run `make checkout` in {package.parents[1]}, or `pip install .` there",
                file=sys.stderr,
            )
            sys.exit(2)
    from bnproof.cli import main as run
    from bnproof.theory.common.garbage import collect_rarely

    collect_rarely()

    try:
        run()
    finally:
        # Python remembers that Ctrl-C interrupted an `exec` of text, which SymPy uses, and ends
        # what `-m` runs by that signal, even if it was handled. Another `exec` makes it forget.
        exec("")


if __name__ == "__main__":  # spawned worker processes import this module too
    main()
