"""The role of a job and what it implies for its file. The only place that depends on single roles."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """A network (of a teacher, an assistant or a student), a cache of a network's logits, or a search for settings.

    The value is what names of files begin with and what stands in metadata and results.
    """

    TEACHER = "teacher"
    ASSISTANT = "assistant"
    SEARCH = "search"
    LOGITS = "logits"
    STUDENT = "student"

    @classmethod
    def of(cls, value: object) -> Role | None:
        """The role with this value, as it stands in metadata, of hpmkd 0.1 too; None where it is none of ours."""
        return _NAMES.get(value) if isinstance(value, str) else None

    @property
    def noun(self) -> str:
        """What a job of it makes, for people."""
        return "logits cache" if self is Role.LOGITS else self.value

    @property
    def is_network(self) -> bool:
        """Its file holds weights, and its accuracy is measured on the test set."""
        return self not in (Role.SEARCH, Role.LOGITS)

    @property
    def suffix(self) -> str:
        """The ending of its files."""
        return {Role.SEARCH: ".json", Role.LOGITS: ".npy"}.get(self, ".pt")

    @property
    def is_shareable(self) -> bool:
        """Other sweeps may take it from the shared cache. Logits caches are large and quickly made again."""
        return self not in (Role.STUDENT, Role.LOGITS)

    @property
    def is_rebuildable(self) -> bool:
        """Derived from one network alone: made again at need, never stale, and gone without loss."""
        return self is Role.LOGITS


# What hpmkd 0.1 called them, in metadata and at the beginning of names.
OLD_ROLES = {"choice": Role.SEARCH, "table": Role.LOGITS}
_NAMES = {role.value: role for role in Role} | OLD_ROLES
_CACHES = (f"{Role.LOGITS}_", *(f"{name}_" for name, role in OLD_ROLES.items() if role is Role.LOGITS))
SUFFIXES = tuple(dict.fromkeys(role.suffix for role in Role))
NETWORK_SUFFIX = Role.TEACHER.suffix


def is_cache(stem: str) -> bool:
    """Whether a file of this name (without its ending) is a logits cache, which may be gone when its students are
    trained."""
    return stem.startswith(_CACHES)
