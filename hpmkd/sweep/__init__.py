"""The sweep on Ray Tune: the only package that imports ray."""
