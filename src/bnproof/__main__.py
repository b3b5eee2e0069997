"""`python -m bnproof`: the command line."""

from bnproof.cli import main

main()
