"""What differs between two texts, and a person's correction laid over what it corrects."""
