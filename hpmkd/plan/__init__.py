"""Turns a config into jobs. No torch."""
