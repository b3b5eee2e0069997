"""Measurements that leave the network unchanged."""
