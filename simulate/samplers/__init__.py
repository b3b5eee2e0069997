"""Random instances, one kind of problem a module."""
