"""wav2vec 2.0, HuBERT and their kin, on every library that runs them."""
