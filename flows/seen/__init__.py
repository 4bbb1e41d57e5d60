"""What is seen of a run: progress, artifacts, rows, reports."""
