"""Reads the folder of a sweep: what is there, what each file is worth, how far the sweep is."""
