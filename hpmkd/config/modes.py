"""The modes: the configs that come with hpmkd, and those that a user keeps in `tune_configs/` of the working folder."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from hpmkd.config.paths import user_path
from hpmkd.errors import UsageError
from hpmkd.log import log

FOLDER = "tune_configs"


def shipped() -> dict[str, Path]:
    """Name -> file of each mode that comes with hpmkd: inside an installed package, beside it in a clone."""
    package = Path(str(files("hpmkd")))
    folder = package / FOLDER
    return _configs(folder if folder.is_dir() else package.parent / FOLDER)


def own() -> dict[str, Path]:
    """Name -> file of the user's own modes: `tune_configs/*.yaml` below the working folder."""
    return _configs(Path(FOLDER))


def _configs(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def config_file(mode: str, where: str = "--mode") -> Path:
    """The file of a mode; the user's own comes before one of the same name that comes with hpmkd.

    Args:
        mode: a name, or a path to a YAML file.
        where: the user wrote it, for errors.

    Raises:
        UsageError: it is neither; the message names the modes there are.
    """
    mine, ours = own(), shipped()
    if mode in mine:
        if mode in ours and mine[mode].resolve() != ours[mode].resolve():
            log.warning(f"--mode {mode}: {mine[mode]}, not the mode of this name that comes with hpmkd")
        return mine[mode]
    if mode in ours:
        return ours[mode]
    path = user_path(mode, where)
    if path.is_file():
        return path
    raise UsageError(
        f"{where}: no config named {mode!r}",
        expected="one of " + ", ".join({**ours, **mine}) + ", or a path to a YAML file",
        found="no such mode and no such file",
        todo=f"put your own modes into {FOLDER}/ of the working folder: {Path(FOLDER).absolute()}",
    )
