"""Measurements that leave a network as it was."""
