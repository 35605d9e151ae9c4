"""Train a sweep, or continue one: `python run_sweep.py --mode quick`. See `--help`."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - whoever has an older one is told so; it can read this file
    sys.stderr.write("error: hpmkd needs Python 3.11 or newer; this is %d.%d\n" % sys.version_info[:2])  # noqa: UP031
    sys.exit(3)


def own_package_only():  # type: () -> None  # noqa: ANN201
    """Of what lies beside this file only hpmkd is imported: a `random.py` there does not stand in for Python's own."""
    beside = sys.path.pop(0)
    import typing  # noqa: F401 - what hpmkd itself needs

    sys.path.insert(0, beside)
    import hpmkd  # noqa: F401

    sys.path.append(sys.path.pop(0))


if __name__ == "__main__":
    if not sys.flags.safe_path:
        own_package_only()
    from hpmkd.cli.main import run_command

    sys.exit(run_command(sys.argv[1:], "run_sweep.py", owns_process=True))
