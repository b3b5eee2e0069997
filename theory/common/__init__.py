"""Errors, files written whole, checksums: what every layer above uses."""
