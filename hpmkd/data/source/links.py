"""Links to folders, on the disk or in an archive: followed, but not without end. No torch."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from hpmkd.data.source.listing import listed
from hpmkd.errors import EnvironmentProblem

# How often one folder may be reached over links within linked folders. Folders that link to one another have as many
# paths as there are orders of them: 7 give 13,699 images, and 11 end in no time that anybody waits.
MAX_PATHS = 10

Identity = TypeVar("Identity", bound=Hashable)


class Paths(Generic[Identity]):
    """How often each folder was reached over two links or more."""

    def __init__(self) -> None:
        self._counts: dict[Identity, int] = {}

    def count(self, folder: Identity, place: str, links: Sequence[str]) -> None:
        """Counts a path.

        Args:
            folder: which folder it leads to.
            place: as messages name it.
            links: those on the path, in order.

        Raises:
            EnvironmentProblem: one path too many over links within linked folders.
        """
        if len(links) < 2:
            return
        self._counts[folder] = self._counts.get(folder, 0) + 1
        if self._counts[folder] > MAX_PATHS:
            raise EnvironmentProblem(
                f"{place}: a folder that is reached more than {MAX_PATHS} times over links within linked folders",
                expected="links to folders that do not link to one another",
                found="links on the way: " + listed(links),
                todo="delete these links, or have them lead to the images themselves",
            )
