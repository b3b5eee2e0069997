"""The batch-normalisation layer from its definition, and its derivatives."""
