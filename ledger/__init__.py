"""Evidence joined into verdicts; the command line and the report."""
