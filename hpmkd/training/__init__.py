"""From a job to its file, with torch."""
