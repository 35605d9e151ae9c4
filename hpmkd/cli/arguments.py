"""Flags of the commands that only read."""

from __future__ import annotations

import argparse
from typing import NoReturn

from hpmkd.errors import UsageError


class Arguments(argparse.ArgumentParser):
    """argparse with our errors, and help that ends with examples, one per line."""

    def __init__(self, prog: str, description: str, examples: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """A wrong flag ends with exit code 2, as everywhere."""
        raise UsageError(f"command line: {message}", todo=f"see {self.prog} --help")
