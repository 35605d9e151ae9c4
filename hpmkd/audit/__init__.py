"""Reads the folder of a sweep: which files are there, whether they are valid, how far the sweep is."""
