"""A batch of recordings: its order and its end, what moves with it, and what is told of it in the morning."""
