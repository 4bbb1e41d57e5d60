"""Which language is spoken where, and which model it is given to."""
