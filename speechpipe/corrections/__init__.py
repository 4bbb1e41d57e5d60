"""What a person changed in a file of the repository becomes a transcript again."""
