"""Data sets: found, decoded once to uint8 tensors, cached with a hash, split, augmented in batches."""
