"""Trains a job and writes its file, with torch."""
