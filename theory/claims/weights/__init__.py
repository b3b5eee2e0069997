"""Weight space: worst case, initialisation, scale invariance."""
