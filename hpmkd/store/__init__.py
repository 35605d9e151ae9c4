"""Model files: written atomically, verified before use, set aside when damaged."""
