"""The first stage: decode, find speech, cut into windows."""
