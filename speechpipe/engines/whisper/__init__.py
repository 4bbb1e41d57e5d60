"""Whisper, on every library that runs it."""
