"""What samplers measure, written from its definition."""
