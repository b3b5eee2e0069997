"""The help of a command of `bnproof`, as it is printed in a terminal."""

import io

from docutils import nodes
from rich.console import Console
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

WIDTH = 88


def help_text(words: list[str]) -> str:
    """What ``bnproof WORDS --help`` prints."""
    from bnproof.cli import app

    buffer = io.StringIO()
    app.help_print(words, console=Console(file=buffer, width=WIDTH, color_system=None))
    return buffer.getvalue().strip("\n")


class CommandDirective(SphinxDirective):
    """``{command} experiment run``: the help of that command; without words, of all."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Build a literal block."""
        text = help_text(self.arguments[0].split() if self.arguments else [])
        return [nodes.literal_block(text, text, language="none")]


def setup(app: Sphinx) -> None:
    """Enter the directive."""
    app.add_directive("command", CommandDirective)
