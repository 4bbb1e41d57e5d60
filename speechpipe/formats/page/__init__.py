"""A recording, or a difference, as one page for a browser."""
