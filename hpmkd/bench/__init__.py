"""Measures latencies of networks, and sums up speed-ups of sweeps: what is measured in turns, with intervals."""
