"""A directive that shows the help text of a command."""

import io

from docutils import nodes
from rich.console import Console
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

WIDTH = 88


def help_text(words: list[str]) -> str:
    """Return the output of ``bnproof WORDS --help``."""
    from bnproof.cli import app

    buffer = io.StringIO()
    app.help_print(words, console=Console(file=buffer, width=WIDTH, color_system=None))
    return buffer.getvalue().strip("\n")


class CommandDirective(SphinxDirective):
    """Shows the help of a command, as in ``{command} experiment run``; by default of `bnproof`."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Build a literal block."""
        text = help_text(self.arguments[0].split() if self.arguments else [])
        return [nodes.literal_block(text, text, language="none")]


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("command", CommandDirective)
