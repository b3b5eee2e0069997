"""What is trained, on what, and the one loop."""
