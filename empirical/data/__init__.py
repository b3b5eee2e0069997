"""Data sets: digits, photographs, CIFAR-10."""
