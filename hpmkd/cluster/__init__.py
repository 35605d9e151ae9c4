"""Ray's processes (started, watched, ended) and the resources of a trial."""
