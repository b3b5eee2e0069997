"""Exact evaluation of relations: counterexamples and tight cases in rational arithmetic."""
