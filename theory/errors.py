"""The one exception for mistakes of the person who runs the program."""


class UserError(ValueError):
    """Bad input: one line that names the value, the allowed range and the mend.

    The command line prints it without a traceback and exits with status 2.
    """
