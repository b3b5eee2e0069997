"""Jobs with results on disk, run in this process, in several processes or on a Ray cluster."""
