"""Files that a person may have corrected, read back."""
