"""What an archivist can ask for."""
