"""`python -m bnproof`: the command line."""

from bnproof.cli import main

if __name__ == "__main__":  # a process of its own that runs jobs imports this module too
    main()
