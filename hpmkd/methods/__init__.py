"""The losses: one file per method."""
