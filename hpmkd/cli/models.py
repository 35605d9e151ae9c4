"""`models`: the networks that can be named, and how large they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.table import Table

from hpmkd.cli.parser import Arguments
from hpmkd.config.architectures import ARCHITECTURES, CANONICAL, FAMILIES, family_of
from hpmkd.config.specs import ModelSpec
from hpmkd.errors import EXIT_OK, UsageError
from hpmkd.plan.architecture import forward_cost, parameter_count

_EXAMPLES = """  hpmkd models
  hpmkd models --classes 10 --image-sizes 28 --channels 1
  hpmkd models --json | jq '.[] | select(.name == "wrn_40_2")'"""
_DESCRIPTION = """Lists the networks that --teacher.arch and --student.arch take: their usual widths, their parameters,
and the multiply-adds of one image's forward pass (convolutions and linear layers). Builds and trains nothing."""
_CLASSES, _SIDES, _CHANNELS = 100, (32, 224), 3


def build_parser(prog: str) -> Arguments:
    """The flags of the command."""
    parser = Arguments(prog, _DESCRIPTION, _EXAMPLES)
    parser.add_argument("--classes", type=int, default=_CLASSES, metavar="K", help=f"classes; default: {_CLASSES}")
    sides = " ".join(map(str, _SIDES))
    parser.add_argument(
        "--image-sizes", type=int, nargs="+", default=_SIDES, metavar="N", help=f"pixels of a side; default: {sides}"
    )
    colours = f"of the images: 3 colour, 1 grey; default: {_CHANNELS}"
    parser.add_argument("--channels", type=int, default=_CHANNELS, metavar="C", help=colours)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def models(argv: Sequence[str], prog: str) -> int:
    """Runs the command; returns the exit code."""
    given = build_parser(prog).parse_args(list(argv))
    given_sizes = {"classes": given.classes, "channels": given.channels, "image-sizes": min(given.image_sizes)}
    for flag, value in given_sizes.items():
        if value < 1:
            raise UsageError(f"--{flag}", expected="a number from 1 on", found=str(value), todo="correct it")
    rows = list(_rows(given.classes, given.channels, given.image_sizes))
    if given.json:
        print(json.dumps(rows, indent=1))
        return EXIT_OK
    console = Console(highlight=False)
    console.print(_table(rows, given.image_sizes))
    sizes = " and ".join(f"{given.channels}x{side}x{side}" for side in given.image_sizes)
    console.print(
        f"{given.classes} classes; multiply-adds of one image's forward pass, images of {sizes}. Other widths: "
        "--student.channels, or --student.ratio; the stems are those for 32x32 pixels.",
        soft_wrap=True, markup=False,
    )  # fmt: skip
    return EXIT_OK


def _rows(classes: int, channels: int, sides: Sequence[int]) -> Iterator[dict[str, Any]]:
    """One per network."""
    for name, one in ARCHITECTURES.items():
        arch, family = CANONICAL.get(name, name), FAMILIES[family_of(name)]
        usual = ModelSpec(arch, one.channels, in_channels=channels, image_size=0, classes=classes)
        specs = {side: replace(usual, image_size=side) for side in sides if side >= family.smallest}
        yield {
            "name": name,
            "widths": list(one.channels),
            "widths_are": family.widths,
            "smallest_image": family.smallest,
            "source": family.source,
            # LeNet5's depend on the size of the images, since its first linear layer sees all places.
            "parameters": {side: parameter_count(spec) for side, spec in specs.items()},
            "multiply_adds": {side: forward_cost(spec) for side, spec in specs.items()},
        }


def _table(rows: Sequence[dict[str, Any]], sides: Sequence[int]) -> Table:
    table = Table()
    table.add_column("network", no_wrap=True)
    table.add_column("usual widths")
    table.add_column("parameters", justify="right")
    for side in sides:
        table.add_column(f"multiply-adds {side}x{side}", justify="right")
    for row in rows:
        counts = list(dict.fromkeys(map(_short, row["parameters"].values())))
        costs = [_short(row["multiply_adds"][side]) if side in row["multiply_adds"] else "-" for side in sides]
        table.add_row(row["name"], "-".join(map(str, row["widths"])), ", ".join(counts) or "-", *costs)
    return table


def _short(count: int) -> str:
    """Three digits: `862 K`, `7.43 M`."""
    for power, unit in ((1e9, " G"), (1e6, " M"), (1e3, " K")):
        if count >= power:
            return f"{count / power:.3g}{unit}"
    return str(count)
