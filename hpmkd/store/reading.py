"""What the system says when a file cannot be read, in our terms: is it the file, or is it the machine?"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpmkd.errors import DamagedModel, EnvironmentFault
from hpmkd.files import system_words

_EXPECTED = "a model file that can be read"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Around whatever reads `path`.

    Raises:
        FileNotFoundError: nothing has that name.
        DamagedModel: a folder, a link that leads nowhere, or no permission: that can be moved aside.
        EnvironmentFault: the disk or the network does not answer; the file may be as good as ever.
    """
    try:
        yield
    except FileNotFoundError:
        if path.is_symlink():
            raise DamagedModel(str(path), expected=_EXPECTED, found="a link that leads nowhere") from None
        raise
    except IsADirectoryError:
        raise DamagedModel(str(path), expected=_EXPECTED, found="a folder") from None
    except PermissionError:
        raise DamagedModel(str(path), expected=_EXPECTED, found="no permission to read it") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DamagedModel(str(path), expected=_EXPECTED, found="a link that leads to itself") from None
        raise EnvironmentFault(
            f"{path}: cannot be read",
            expected="a disk that answers",
            found=system_words(error),
            todo="see to the disk or its connection, then start the same command again; "
            "if this one file is lost, delete it and it is trained again",
        ) from error
