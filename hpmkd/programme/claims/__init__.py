"""What the published paper claims, and what the sweeps of a programme say of each claim."""
