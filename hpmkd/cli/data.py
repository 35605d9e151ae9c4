"""`data`: what is in a data set, as a sweep would read it."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hpmkd.cli.parser import Arguments
from hpmkd.config.keys import leaves, type_name
from hpmkd.config.load import parse_value, validate
from hpmkd.data.catalog import DATASETS, find
from hpmkd.data.census import duplicate_counts, remarks, summary
from hpmkd.data.selection import Used, untrained
from hpmkd.data.source.listing import count, shown
from hpmkd.data.source.parts import SPARE
from hpmkd.errors import EXIT_OK

_EXAMPLES = """  hpmkd data ~/my-images
  hpmkd data pets=pets.zip --data.image_size 64
  hpmkd data CIFAR10 --data-dir ~/data --json | jq .census.duplicates"""
_DESCRIPTION = """Shows what is in a data set as a sweep would read it: files used and set aside, sizes, what is
converted, images per class, duplicates. Decodes the images into the cache, from which sweeps read them. Exit code 3:
the data set cannot be used, and the error says why."""
_KEYS = ("cache_dir", "download", "image_size", "allow_empty_classes", "ignore_suffixes")
_SPLIT_KEYS = ("train_images", "validation_fraction")
_MANY_CLASSES = 30


def build_parser(prog: str) -> Arguments:
    """The flags of the command."""
    parser = Arguments(prog, _DESCRIPTION, _EXAMPLES)
    known = ", ".join(DATASETS)
    parser.add_argument("data", metavar="PATH", help=f"a folder, an archive or an .npz file; NAME=PATH; or {known}")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--data-dir", metavar="DIR", help="folder of the known data sets")
    fields = dict(leaves())
    for key in (*_KEYS, *_SPLIT_KEYS):
        field = fields[f"data.{key}"]
        kind = type_name(field.annotation).replace(" ", "_").upper()
        parser.add_argument(f"--data.{key}", dest=key, metavar=kind, help=str(field.description))
    return parser


def data(argv: Sequence[str], prog: str) -> int:
    """Runs the command; returns the exit code."""
    given = build_parser(prog).parse_args(list(argv))
    from hpmkd.data.cache import take_census  # reads files, so it loads more than --help needs

    words = {f"data.{key}": getattr(given, key) for key in (*_KEYS, *_SPLIT_KEYS)}
    known = dict(leaves())
    overrides = {
        key: parse_value(text, known[key], f"command line, --{key}") for key, text in words.items() if text is not None
    }
    if given.data_dir is not None:
        overrides["data.dir"] = given.data_dir
    config = validate({"datasets": [given.data], "baselines": ["Direct"]}, "command line", overrides)
    dataset = find(given.data)
    found = take_census(dataset, config.data)
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        console = Console(highlight=False)
        _print(console, dataset.name, found)
        console.print(shown(f"what is next: {_next(given, words)}"), soft_wrap=True, markup=False)
    return EXIT_OK


def _next(given: argparse.Namespace, words: Mapping[str, str | None]) -> str:
    """The command that plans a sweep of the same data set, read in the same way."""
    flags = [word for key, text in words.items() if text is not None for word in (f"--{key}", text)]
    place = ["--data-dir", given.data_dir] if given.data_dir is not None else []
    return shlex.join(["hpmkd", "run", "--datasets", given.data, *place, *flags, "-n"]) + "  (without -n: trains)"


def _print(console: Console, name: str, found: Mapping[str, Any]) -> None:
    census = found["census"]
    console.print(shown(summary(name, census)), soft_wrap=True, markup=False)
    for part in (_facts(census), _classes(census, found.get("used"))):
        console.print(part)
    lines = remarks(name, census, counted=False)
    if found["used"] and (line := untrained(name, Used(**found["used"]), census["classes"])):
        lines.append(line)
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)


def _facts(census: Mapping[str, Any]) -> Table:
    """A row per thing that was counted."""
    table = Table(show_header=False)
    for part, about in census["parts"].items():
        files = f" in {count(about['files'], 'file')} of {shown(about['found_as'])}" if "files" in about else ""
        table.add_row(part, escape(f"{count(about['images'], 'image')}{files}"))
    for key in ("suffixes", "modes", "sizes", "converted"):
        if census.get(key):
            table.add_row(
                key, escape("\n".join(f"{what or 'no suffix'}: {number:,}" for what, number in census[key].items()))
            )
    for reason, about in census.get("ignored", {}).items():
        if reason.startswith(SPARE):
            continue  # which is a sentence of its own
        table.add_row(
            "not used", escape(shown(f"{count(about['count'], 'file')} {reason}, such as {about['examples'][0]}"))
        )
    alike = duplicate_counts(census)
    if alike:
        table.add_row("duplicates", "\n".join(alike))
    return table


def _classes(census: Mapping[str, Any], used: Mapping[str, Sequence[int]] | None) -> Table:
    """Images per class, and how many of the training part a sweep trains on; of many classes the first ones."""
    table = Table()
    columns: dict[str, Sequence[int]] = {part: [one[part] for one in census["classes"]] for part in ("train", "test")}
    if used is not None:
        trained = {"trained on": used["train"], "validation": used["validation"]}
        columns = {"train": columns["train"], **trained, "test": columns["test"]}
    table.add_column("class")
    for heading in columns:
        table.add_column(heading, justify="right")
    names = [one["name"] for one in census["classes"]]
    for place, name in enumerate(names[:_MANY_CLASSES]):
        table.add_row(escape(shown(name)), *(f"{numbers[place]:,}" for numbers in columns.values()))
    if len(names) > _MANY_CLASSES:
        sums = (f"{sum(numbers[_MANY_CLASSES:]):,}" for numbers in columns.values())
        table.add_row(f"{len(names) - _MANY_CLASSES:,} more", *sums)
    return table
