"""The sweep on Ray Tune: which job is trained when, what is reported, and what happens after a failure."""
