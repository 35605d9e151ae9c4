"""Efficiency: what smaller networks save at inference, by `latency.json`, and where the training time went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import pandas as pd

from hpmkd.analysis.experiments import latency_words as words
from hpmkd.analysis.experiments.cost import scaled
from hpmkd.analysis.plots import latency as plots
from hpmkd.analysis.section import Drawing, Format, Section, Table, digits
from hpmkd.audit.sweep_dir import Saved
from hpmkd.errors import UsageError
from hpmkd.numeric import Estimate, divide, is_defined, whole
from hpmkd.plan.roles import Role
from hpmkd.store import latency_file
from hpmkd.store.latency_file import SHARES, Latencies

_TITLE = "Efficiency at inference"
_MIB = 2**20
_THREE = ("value", "low", "high")


def section(frame: pd.DataFrame, order: Sequence[str], saved: Saved) -> Section | None:
    """Of sweeps whose folder holds a `latency.json`; see `experiments.registry`."""
    try:
        found = latency_file.read(saved.output.latency_file)
    except UsageError as error:
        return Section("efficiency", _TITLE, (), errors=(str(error),))
    if found is None or not found.cells:
        return None
    cells, networks, roles = cells_of(found), networks_of(found), roles_of(frame)
    wrong = [one for one in found.controls if not one.trusted]
    errors = () if not wrong else (words.untrusted(wrong, len(found.controls), float(found.settings["tolerance"])),)
    return Section(
        "efficiency",
        _TITLE,
        tuple(words.sentences(found, cells, networks, roles)),
        tables=(_cell_table(cells, found), _network_table(networks), *[_role_table(roles)] * (len(roles) > 0)),
        drawings=tuple(_drawings(cells, networks)),
        folded=(_control_table(found),),
        errors=errors,
    )


def cells_of(found: Latencies) -> pd.DataFrame:
    """A row per network, runtime, device, threads and batch size: milliseconds, images per second, speed-up, MiB."""
    rows = []
    for one in found.cells:
        row = {name: getattr(one, name) for name in ("network", "runtime", "device", "threads", "batch")}
        row |= {"place": f"{one.device}, {one.threads} thread{'s' * (one.threads != 1)}"}
        row |= {"measurements": one.measurements, "trusted": one.trusted}
        for share in SHARES:
            row |= _three(f"p{share}", one.milliseconds[share])
        row |= _three("throughput", one.images_per_second) | _three("speedup", one.speedup)
        rows.append(row | {"peak_mib": divide(one.memory, _MIB)})
    return pd.DataFrame(rows).sort_values(["device", "threads", "batch"], kind="stable").reset_index(drop=True)


def _three(name: str, one: Estimate) -> dict[str, float]:
    return {name if part == "value" else f"{name}_{part}": getattr(one, part) for part in _THREE}


def networks_of(found: Latencies) -> pd.DataFrame:
    """A row per network: sizes, and how many times smaller it is than the one of the most multiply-adds."""
    largest = max(found.subjects, key=lambda one: one.multiply_adds)
    rows = []
    for one in found.subjects:
        row = {**asdict(one), "roles": ", ".join(one.roles)}
        sizes = row.pop("bytes_of")
        row |= {f"{runtime}_mib": size / _MIB for runtime, size in sizes.items()}
        row["fewer_parameters"] = divide(largest.parameters, one.parameters)
        row["fewer_multiply_adds"] = divide(largest.multiply_adds, one.multiply_adds)
        rows.append(row)
    return pd.DataFrame(rows)


def roles_of(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per role of planned files: how many, their training seconds and multiply-adds, and the shares of both."""
    planned = frame[frame["planned"].astype(bool)] if "planned" in frame else frame
    rows = []
    for role in Role:
        mine = planned[planned["role"] == str(role)]
        if len(mine):
            work = mine.get("training_multiply_adds", pd.Series(float("nan"), index=mine.index))
            rows.append(
                {
                    "role": str(role), "models": len(mine), "seconds": float(mine["train_seconds"].sum(skipna=False)),
                    "multiply_adds": float(work.astype("float64").sum(skipna=False)),
                }
            )  # fmt: skip
    made = pd.DataFrame(rows, columns=["role", "models", "seconds", "multiply_adds"])
    for name in ("seconds", "multiply_adds"):
        made[f"{name}_pct"] = [100 * divide(value, made[name].sum(skipna=False)) for value in made[name]]
    return made


def _cell_table(cells: pd.DataFrame, found: Latencies) -> Table:
    columns: dict[str, tuple[str, Format]] = {
        "network": ("network", str), "runtime": ("runtime", str), "place": ("on", str), "batch": ("batch", whole),
        "measurements": ("calls", whole), "p50": ("median ms", words.three), "p50_low": ("95 % from", words.three),
        "p50_high": ("to", words.three), "p90": ("p90", words.three), "p95": ("p95", words.three),
        "p99": ("p99", words.three), "throughput": ("images/s", digits(0)), "speedup": ("speed-up", digits(2)),
        "speedup_low": ("from", digits(2)), "speedup_high": ("to", digits(2)), "mark": ("?", str),
        "peak_mib": ("peak MiB", digits(1)),
    }  # fmt: skip
    note = (
        "Milliseconds of a call (percentiles by nearest rank; those with fewer than five calls beyond them are not "
        "given), with 95 % intervals by a bootstrap over rounds; in each round every row has one turn, in another "
        "order. Speed-up: of medians, against the network of the most multiply-adds in the same runtime and batch "
        "size. Peak: memory of a call beside weights and input. In inference mode, fp32, NCHW, not compiled. "
        "Numbers with a question mark are not to be trusted: there the control is not equal to itself. "
        f"{words.about(found)}"
    )
    marked = cells.assign(mark=cells["trusted"].map({True: "", False: "?"}))
    return Table("latency", "Latency and throughput", marked, columns=columns, note=note)


def _network_table(networks: pd.DataFrame) -> Table:
    columns: dict[str, tuple[str, Format]] = {
        "name": ("network", str), "roles": ("as", str), "parameters": ("parameters", whole),
        "multiply_adds": ("multiply-adds", whole), "fewer_parameters": ("times fewer parameters", digits(2)),
        "fewer_multiply_adds": ("times fewer multiply-adds", digits(2)),
    }  # fmt: skip
    for name in networks:
        if str(name).endswith("_mib"):
            columns[str(name)] = (f"{str(name).removesuffix('_mib')} MiB", digits(2))
    note = "Multiply-adds of one image's forward pass; MiB of the file that each runtime loads."
    return Table("latency-networks", "What was measured", networks, columns=columns, note=note)


def _role_table(roles: pd.DataFrame) -> Table:
    columns: dict[str, tuple[str, Format]] = {
        "role": ("role", str), "models": ("files", whole), "seconds": ("training seconds", digits(1)),
        "seconds_pct": ("% of them", digits(1)), "multiply_adds": ("multiply-adds", _amount),
        "multiply_adds_pct": ("% of them", digits(1)),
    }  # fmt: skip
    note = "Training of all planned files, each counted once; multiply-adds by the plan, seconds by the files."
    return Table("latency-roles", "Where the training time went, by role", roles, columns=columns, note=note)


def _amount(value: float) -> str:
    return scaled(value).removeprefix("+") if is_defined(value) else "-"


def _control_table(found: Latencies) -> Table:
    rows = pd.DataFrame(
        [
            {
                "network": one.network, "runtime": one.runtime, "place": f"{one.device}, {one.threads}",
                "batch": one.batch, **_three("ratio", one.ratio), "finding": "equal" if one.trusted else "not trusted",
            }
            for one in found.controls
        ]
    )  # fmt: skip
    columns: dict[str, tuple[str, Format]] = {
        "network": ("network", str), "runtime": ("runtime", str), "place": ("device, threads", str),
        "batch": ("batch", whole), "ratio": ("ratio", digits(3)), "ratio_low": ("95 % from", digits(3)),
        "ratio_high": ("to", digits(3)), "finding": ("finding", str),
    }  # fmt: skip
    note = (
        "The same network, loaded twice and measured as if it were two: the ratio of their medians should be 1. "
        f"Equal: the whole interval lies within {float(found.settings['tolerance']):.0%} of it."
    )
    return Table("latency-control", "Control: a network against itself", rows, columns=columns, note=note)


def _drawings(cells: pd.DataFrame, networks: pd.DataFrame) -> list[Drawing]:
    made = []
    if cells["batch"].nunique() > 1:
        text = "Median of a call and its 95 % interval over images per call, a panel per runtime, device and threads."
        figure = partial(plots.over_batch, cells, "p50", "ms per call")
        made.append(Drawing("latency", "Latency over batch size", figure, text))
        text = "All images over the sum of all latencies, and the 95 % interval."
        figure = partial(plots.over_batch, cells, "throughput", "images per second")
        made.append(Drawing("throughput", "Throughput over batch size", figure, text))
    if len(networks) > 1:
        text = (
            "How many times as fast as the network of the most multiply-adds, over how many times smaller; on the "
            "dashed line a network is as many times as fast as it is smaller."
        )
        figure = partial(plots.compression, cells, networks)
        made.append(Drawing("latency-compression", "Speed-up against compression", figure, text))
    return made
