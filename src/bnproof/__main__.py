"""`python -m bnproof`: the command line."""

from bnproof.cli import main

if __name__ == "__main__":  # spawned worker processes import this module too
    try:
        main()
    finally:
        # Python remembers that Ctrl-C interrupted an `exec` of text, which SymPy uses, and ends
        # what `-m` runs by that signal, even if it was handled. Another `exec` makes it forget.
        exec("")
