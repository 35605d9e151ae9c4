"""Jobs that wait for their turn, and for their parents. Pure: a hundred thousand wait, and none is asked in vain."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from hpmkd.plan.job import Job


class Waiting:
    """Gives the first job, in the order of `jobs`, whose parents are there, without a look at all others.

    Args:
        jobs: in the order in which they are given.
        done: keys of the jobs whose files are there.
    """

    def __init__(self, jobs: Sequence[Job], done: set[str]) -> None:
        self.jobs = list(jobs)
        self._over = 0  # all before that place are over
        self._lacks: list[int] = []  # how many parents are not there yet
        self._children: dict[str, list[int]] = {}
        for place, job in enumerate(self.jobs):
            lacking = {parent.key for parent in job.parents} - done
            self._lacks.append(len(lacking))
            for key in lacking:
                self._children.setdefault(key, []).append(place)
        self._open = [place for place, lacks in enumerate(self._lacks) if not lacks]  # sorted: a heap

    def made(self, key: str) -> None:
        """The file of that job is there now."""
        for place in self._children.pop(key, ()):
            self._lacks[place] -= 1
            if not self._lacks[place]:
                heapq.heappush(self._open, place)

    def first(self, is_over: Callable[[Job], bool], may_run: Callable[[Job], bool]) -> Job | None:
        """The first whose parents are there and which may run. It goes on waiting until it is over.

        Args:
            is_over: whether a job is not to be given any more; what is over stays so.
            may_run: whether nothing runs that a job, whose parents are there, must wait for.
        """
        aside: list[int] = []
        found = None
        while self._open and found is None:
            place = heapq.heappop(self._open)
            if is_over(self.jobs[place]):
                continue
            aside.append(place)
            if may_run(self.jobs[place]):
                found = self.jobs[place]
        for place in aside:
            heapq.heappush(self._open, place)
        return found

    def is_empty(self, is_over: Callable[[Job], bool]) -> bool:
        """Whether all of them are over."""
        while self._over < len(self.jobs) and is_over(self.jobs[self._over]):
            self._over += 1
        return self._over == len(self.jobs)
