"""`python -m hpmkd`: the command line where the script `hpmkd` is not on the path."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        # Python has put the working folder first: a `random.py` there must not stand in for Python's own.
        sys.path.append(sys.path.pop(0))
    from hpmkd.cli.main import main

    sys.exit(main())
