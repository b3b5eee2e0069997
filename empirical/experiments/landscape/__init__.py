"""The loss and its gradient around the weights."""
