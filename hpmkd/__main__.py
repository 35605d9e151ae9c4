"""`python -m hpmkd`: the command line where the script `hpmkd` is not on the path."""

import sys

from hpmkd.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
