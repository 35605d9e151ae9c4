"""Errors that a user can act on, each with the exit code of the command line."""

from __future__ import annotations

EXIT_OK = 0
EXIT_SOME_FAILED = 1
EXIT_USAGE = 2
EXIT_ENVIRONMENT = 3
EXIT_MISMATCH = 4
EXIT_UNMIRRORED = 5
EXIT_LOCKED = 11


class HpmkdError(Exception):
    """Something went wrong, and the message says where, what was expected, what was found and what to do."""

    exit_code = EXIT_SOME_FAILED

    def __init__(
        self, where: str, *, expected: str | None = None, found: str | None = None, todo: str | None = None
    ) -> None:
        self.where, self.expected, self.found, self.todo = where, expected, found, todo
        rows = (("expected", expected), ("found", found), ("what to do", todo))
        super().__init__("\n".join([where, *(f"  {label}: {text}" for label, text in rows if text)]))


class UsageError(HpmkdError):
    """A wrong flag, key or value."""

    exit_code = EXIT_USAGE


class EnvironmentProblem(HpmkdError):
    """The machine lacks something: a data set, disk space, a permission."""

    exit_code = EXIT_ENVIRONMENT


class MirrorProblem(EnvironmentProblem):
    """The storage of a mirror does not do what it is asked."""


class NotInMirror(MirrorProblem):
    """There is no such file on that storage."""


class Refused(EnvironmentProblem):
    """A process that measures could not do what it was asked: a library that does not know the device, memory that is
    not enough."""


class ConfigMismatch(HpmkdError):
    """Finished models on disk were trained with other settings than the ones asked for now."""

    exit_code = EXIT_MISMATCH


class Locked(HpmkdError):
    """Another sweep is working in the same output."""

    exit_code = EXIT_LOCKED


class NotMirrored(HpmkdError):
    """All models are there, but not everything is copied to the mirror yet."""

    exit_code = EXIT_UNMIRRORED


class DamagedModel(HpmkdError):
    """A model file whose bytes are not what was written, or that is not a model file at all."""


# What to do about one, wherever it lies.
TRAIN_AGAIN = "continue the sweep (--restore DIR), which trains it again, or copy an intact file there"


class Diverged(HpmkdError):
    """The training loss is no longer a finite number."""
