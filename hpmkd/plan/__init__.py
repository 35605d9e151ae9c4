"""From a config to jobs, and what jobs have in common. No torch."""
