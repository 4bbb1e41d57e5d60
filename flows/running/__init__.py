"""What runs the flows: the server, the processes, who does the work, and what ends with a run."""
