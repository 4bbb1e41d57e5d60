"""What an archive knows of its recordings: tables, rights, checksums, under whatever names."""
