"""What became of each recording, told in the morning."""
