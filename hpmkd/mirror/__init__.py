"""A copy of a sweep's output elsewhere: on object storage or in a second folder, made while the sweep runs."""
