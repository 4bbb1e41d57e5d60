"""What the stages keep in a recording's workspace, and under which keys."""
