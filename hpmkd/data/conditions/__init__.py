"""Conditions of a data set: what is done to its training images, one file each."""
