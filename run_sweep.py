"""Train a sweep, or continue one: `python run_sweep.py --mode quick`. See `--help`."""

import sys

from hpmkd.cli.main import run_command

if __name__ == "__main__":
    sys.exit(run_command(sys.argv[1:], "run_sweep.py", owns_process=True))
