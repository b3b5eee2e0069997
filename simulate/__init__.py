"""Does it hold on random instances: networks and random matrices, in PyTorch."""
