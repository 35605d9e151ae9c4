"""What a user can set: one class per section, read from YAML and flags."""
