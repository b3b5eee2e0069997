"""Training: configurations, tasks, run folders and the one training loop."""
