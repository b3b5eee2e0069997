"""One module a command of its own; heavy imports inside the functions."""
