"""Does it show on images: data, networks, probes and experiments."""
