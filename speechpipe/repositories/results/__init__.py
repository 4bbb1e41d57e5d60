"""How the results of a recording lie in a folder, and how they are replaced without loss."""
