"""What is compared with what: planned students, in groups of one place (data set, condition and pair of networks)."""

from __future__ import annotations

from hpmkd.audit.places import students

__all__ = ["MIN_GROUPS", "students"]
# Fewer say nothing about a further one.
MIN_GROUPS = 3
