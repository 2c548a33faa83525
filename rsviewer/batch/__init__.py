"""The same work over a whole dataset, resumable."""
