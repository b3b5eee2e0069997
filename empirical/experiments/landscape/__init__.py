"""Loss and gradient around the weights."""
