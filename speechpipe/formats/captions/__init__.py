"""Words become cues, and cues the files that players show."""
