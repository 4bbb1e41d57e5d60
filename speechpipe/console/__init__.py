"""How the program speaks to people: on a terminal, in a log, in a run."""
