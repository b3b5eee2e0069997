"""Errors, atomic file writes, checksums and code hashes, used by every layer above."""
