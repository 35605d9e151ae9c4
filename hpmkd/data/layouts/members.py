"""What an archive holds, by name; its links to folders are followed as those on the disk are."""

from __future__ import annotations

import bisect
import posixpath
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from hpmkd.data.source.links import Paths
from hpmkd.data.source.tree import MAX_DEPTH

_MAX_LINKS = 40
LEADS_BACK = "a link that leads back to a folder above it"


class Member(NamedTuple):
    """A file, a folder or a link.

    Args:
        name: its path in the archive, normalised (see `inside`).
        read: gives the bytes of a file; None: a folder.
        target: where a link leads, as it stands there; None: no link.
        aside: why it is not used; empty where it is.
        real: where it lies in the archive, if a link leads here; else empty.
    """

    name: str
    read: Callable[[], bytes] | None
    target: str | None = None
    aside: str = ""
    real: str = ""


def inside(name: str) -> str:
    """A path as one below the archive's top, whatever it says."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return "/".join(part for part in parts if part not in ("/", ".", ".."))


def check_depth(path: str) -> None:
    """Raises ValueError for too many folders inside one another."""
    if path.count("/") >= MAX_DEPTH:
        raise ValueError(f"more than {MAX_DEPTH} folders inside one another")


def followed(members: Sequence[Member], place: str) -> list[Member]:
    """The members, with what lies in a linked folder under the link's name too; links to files read those files.

    A link to what is not in the archive stays a file that cannot be read.

    Raises:
        EnvironmentProblem: links that multiply a folder.
        ValueError: too many folders inside one another, over links.
    """
    if all(member.target is None for member in members):
        return list(members)
    links = _Links(members, place)
    return [one for member in members for one in links.follow(member, member.name, (), ())]


class _Links:
    def __init__(self, members: Sequence[Member], place: str) -> None:
        self._by_name = {member.name: member for member in members}
        self._names = sorted(self._by_name)
        self._place = place
        self._paths: Paths[str] = Paths()

    def follow(self, member: Member, seen: str, above: tuple[str, ...], links: tuple[str, ...]) -> Iterator[Member]:
        """What a member stands for.

        Args:
            member: itself.
            seen: its path, over the links that lead to it.
            above: the folders on that path, but for those in `member.name`.
            links: the links on that path.
        """
        if member.target is None:
            yield member._replace(name=seen, real=member.name if links else "")
            return
        check_depth(seen)
        found = self._resolved(member.name)
        below = [] if found is None else self._below(found)
        if found is not None and not below:
            yield self._by_name[found]._replace(name=seen, real=found)
        elif found is None:
            yield Member(seen, _nowhere(member.target))
        else:
            above = (*above, *map(str, PurePosixPath(member.name).parents))
            if found in above:
                yield Member(seen, None, aside=LEADS_BACK)
                return
            links = (*links, seen)
            self._paths.count(found, f"{self._place}:{seen}", links)
            yield Member(seen, None)
            for name in below:
                rest = name[len(found) + 1 :]
                yield from self.follow(self._by_name[name], f"{seen}/{rest}", above, links)

    def _below(self, folder: str) -> list[str]:
        """The names of all members in a folder; none: it is no folder with anything in it."""
        if folder in (".", ""):
            return self._names
        first, last = (bisect.bisect_left(self._names, folder + end) for end in ("/", "0"))  # "0" follows "/"
        return self._names[first:last]

    def _resolved(self, name: str, most: int = _MAX_LINKS) -> str | None:
        """The path without links (`.`: the top) of what is there; None: nothing is."""
        parts = name.split("/")
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            link = self._by_name.get(path)
            if link is not None and link.target is not None:
                if not most or link.target.startswith("/"):
                    return None
                target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link.target, *parts[depth:]))
                return None if target.startswith("..") else self._resolved(target, most - 1)
        return name if name == "." or name in self._by_name or self._below(name) else None


def _nowhere(target: str) -> Callable[[], bytes]:
    def fail() -> bytes:
        raise OSError(f"a link to {target}, which is not in the archive")

    return fail
