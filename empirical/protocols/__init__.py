"""Protocols that experiments share: networks, rates, measured quantities and figures."""
