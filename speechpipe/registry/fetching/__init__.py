"""From a publisher's repository to a model's folder: what is needed, its bytes, its conversion."""
