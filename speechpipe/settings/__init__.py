"""All that can be set: one tree, and for each room the part that is its own."""

from speechpipe.settings.tree import Settings

__all__ = ["Settings"]
