"""`python -m hpmkd`: the console script for where none is on the path."""

import sys

from hpmkd.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
