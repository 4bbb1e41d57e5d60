"""The process that touches foreign media, and what runs in it."""
