"""Many training runs or experiments from one file, on this machine or on a cluster."""
