"""The models on this machine: each whole or not at all, sealed, and with the record of where it came from."""
