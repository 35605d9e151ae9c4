"""From the rows of a sweep to words and figures."""
