"""Jobs with results on disk, and what works on them: this process, several, or a Ray cluster."""
