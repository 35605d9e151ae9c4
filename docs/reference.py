"""The pages of the reference as Markdown, made from the code: config keys, command line, files, exit codes, API."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

import sources
from pydantic import BaseModel
from pydantic.fields import FieldInfo

_BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_NOTE = "*This page is made from the code when the documentation is built.*"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; bars and line breaks in cells are escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def first_sentence(doc: str | None) -> str:
    """The first paragraph of a docstring on one line."""
    return " ".join(inspect.cleandoc(doc or "").split("\n\n")[0].split())


def config_page() -> str:
    """Every key of the config with type, default and meaning, and the modes that are shipped."""
    config = sources.resolve(sources.SWEEP_CONFIG)
    parts = [
        "# Config keys and modes",
        _NOTE,
        "A config is a YAML file. Each key is also a flag (`--fit.lr 0.01`) and a key of `settings` in Python. "
        "`python run_sweep.py --print_config` prints the resolved config.",
        "## Keys",
        *_sections(config),
        "## Modes",
        "`--mode NAME` takes a file of `tune_configs/`. Keys that a mode leaves out have the default above.",
    ]
    for path in sorted(sources.MODES.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        comment = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]
        body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        parts += [f"### {path.stem}", " ".join(comment), f"```yaml\n{body}\n```"]
    return "\n\n".join(parts)


def _sections(model: type[BaseModel]) -> list[str]:
    """A heading, the docstring and a table for the top level, and for each section of the config."""
    found = [_section("top level", "", model)]
    for name, field in model.model_fields.items():
        if _is_section(field):
            found.append(_section(f"`{name}`", f"{name}.", field.annotation))
    return found


def _section(title: str, prefix: str, model: Any) -> str:
    type_name, default_of = sources.resolve(sources.TYPE_NAME), sources.resolve(sources.DEFAULT_OF)
    rows = []
    for name, field in model.model_fields.items():
        if _is_section(field):
            continue
        default = "required" if field.is_required() and not prefix else f"`{json.dumps(default_of(prefix + name))}`"
        kind = " ".join([type_name(field.annotation), *_bounds(field)])
        rows.append([f"`{prefix}{name}`", f"`{kind}`", default, str(field.description)])
    return f"### {title}\n\n{inspect.cleandoc(model.__doc__)}\n\n{table(['key', 'type', 'default', 'meaning'], rows)}"


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _bounds(field: FieldInfo) -> list[str]:
    """The limits of a number, such as `> 0`, those inside a union or an Annotated type included."""
    limits = list(field.metadata)
    for part in get_args(field.annotation):
        for more in getattr(part, "__metadata__", ()):
            limits += more.metadata if isinstance(more, FieldInfo) else [more]
    return [f"{sign} {getattr(one, name)}" for one in limits for name, sign in _BOUNDS.items() if hasattr(one, name)]


def command_page() -> str:
    """What `--help` of each command prints."""
    commands = sources.resolve(sources.COMMANDS)
    parts = ["# Command line", _NOTE, _help([])]
    for name in commands:
        title = "hpmkd run, python run_sweep.py" if name == "run" else f"hpmkd {name}"
        parts += [f"## {title}", _help([name])]
    return "\n\n".join(parts)


def _help(words: Sequence[str]) -> str:
    command = [sys.executable, "-m", "hpmkd", *words, "--help"]
    wide = {**os.environ, "COLUMNS": "110", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=wide, cwd=sources.ROOT)
    return f"```text\n{done.stdout.rstrip()}\n```"


def exit_code_page() -> str:
    """Exit codes with the errors that end so, and the signals."""
    errors = sources.resolve(sources.ERRORS)
    kinds: list[Any] = [one for one in vars(errors).values() if isinstance(one, type)]
    rows = []
    codes = {name: value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    for name, value in sorted(codes.items(), key=lambda item: item[1]):
        mine = [kind for kind in kinds if issubclass(kind, errors.HpmkdError) and kind.exit_code == value]
        said = " ".join(f"`{kind.__name__}`: {first_sentence(kind.__doc__)}" for kind in mine)
        rows.append([f"`{value}`", f"`{name}`", said or "Everything that was asked for is there."])
    stops = [
        [f"`{128 + number}`", number.name, f"stopped by {signal.strsignal(number)}"]
        for number in sources.resolve(sources.SIGNALS)
    ]
    return "\n\n".join(
        [
            "# Exit codes",
            _NOTE,
            "The same codes end every command; `hpmkd.run_sweep` returns them. `1` also ends a sweep in which some "
            "models failed, and a check that found something wrong.",
            table(["code", "name in `hpmkd.errors`", "when"], rows),
            "## Stopped by a signal",
            "The code is 128 + the number of the signal, as shells expect it.",
            table(["code", "signal", "when"], stops),
        ]
    )


def api_page() -> str:
    """The public functions and classes, from their docstrings."""
    parts = ["# Python API", _NOTE, "`import hpmkd` has what the first two sections list under its own name, too."]
    return "\n\n".join([*parts, *_directives(sources.API)])


def _directives(groups: dict[str, list[str]]) -> list[str]:
    return [f"## {title}\n\n" + "\n\n".join(f"::: {name}" for name in names) for title, names in groups.items()]


def files_page() -> str:
    """What lies in an output folder, and the formats of its files."""
    plain = "    options:\n      show_source: true\n      show_root_heading: false"
    return "\n\n".join(
        [
            "# Files",
            _NOTE,
            "## The output folder",
            _output_table(),
            "## Model file",
            "What `torch.load` gives, and the sidecar beside it, of a file with one weight matrix:",
            *_example(),
            "### Metadata of a model that a sweep made",
            f"::: {sources.PROVENANCE}\n{plain}",
            "## results.csv and results.parquet",
            "A row per model file, and per search for its cost. The columns:",
            _columns(),
            *_directives(sources.FORMATS),
        ]
    )


def _output_table() -> str:
    kind = sources.resolve(sources.OUTPUT_DIR)
    output = kind(Path("OUTPUT"))
    rows = []
    for name, value in vars(kind).items():
        if isinstance(value, property) and isinstance(getattr(output, name), Path):
            rows.append([f"`{getattr(output, name)}`", first_sentence(value.__doc__)])
    return table(["path", "what it is"], rows)


def _columns() -> str:
    kind = sources.resolve(sources.OUTPUT_DIR)
    with tempfile.TemporaryDirectory() as folder:
        frame = sources.resolve(sources.RESULTS)(kind(Path(folder)), None)
    return ", ".join(f"`{name}`" for name in frame.columns)


def _example() -> list[str]:
    import torch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "example.pt"
        network = torch.nn.Linear(3, 2, bias=False)
        sources.resolve(sources.SAVE_MODEL)(network, path, 97.5, 12.0, {"baseline": "Direct"})
        saved = torch.load(path, weights_only=True)
        beside = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
    rows = [[f'`saved["{name}"]`', f"`{type(value).__name__}`"] for name, value in saved.items()]
    return [table(["content", "type"], rows), f"```json\n{json.dumps(beside, indent=1)}\n```"]
