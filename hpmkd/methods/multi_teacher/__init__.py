"""Methods that learn from several teachers at once."""
