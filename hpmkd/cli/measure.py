"""`measure`: more about a sweep's models than their accuracy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from hpmkd.audit.sweep_dir import Saved, open_saved
from hpmkd.cli.parser import Arguments
from hpmkd.config.sweep import DataConfig
from hpmkd.data.source.listing import count as number_of
from hpmkd.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_SOME_FAILED
from hpmkd.numeric import json_ready
from hpmkd.plan.catalog import baselines_of

if TYPE_CHECKING:
    import pandas as pd

    from hpmkd.store.sidecar import Header
    from hpmkd.training.missing_predictions import Outcome

_EXAMPLES = """  hpmkd measure results/quick
  hpmkd measure results/old --data-dir ~/data      a sweep of which the predictions are missing
  hpmkd measure results/quick --json | jq '.models[] | {file, nll, ece_pct}'"""
_DESCRIPTION = """Computes, of every model of a sweep: macro-F1, balanced accuracy, the worst class's recall, top-5,
negative log-likelihood, Brier score, calibration error before and after temperature scaling, agreement with the
teacher; under imbalance the recall of rare classes, under label noise how many wrong labels it has memorised. Writes
them into results.parquet, results.csv and measures.parquet (with confusion matrices). A sweep keeps what each model
answers to each test image; where that is missing or damaged, the model is shown the test images again. A second call
computes only what has changed. Exit code 0: all models are measured; 1: some answer otherwise than their files say; 3:
images are missing, or the folder cannot be written."""


def build_parser(prog: str) -> Arguments:
    """The flags of the command."""
    parser = Arguments(prog, _DESCRIPTION, _EXAMPLES)
    parser.add_argument("dir", metavar="DIR", help="the output folder of a sweep")
    parser.add_argument(
        "--data-dir", metavar="DIR", help="folder of the data sets, if it is not the one of the sweep and is needed"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser


def measure(argv: Sequence[str], prog: str) -> int:
    """Runs the command; returns the exit code."""
    given = build_parser(prog).parse_args(list(argv))
    saved = open_saved(Path(given.dir))
    from hpmkd.audit import results  # pandas takes a second: --help and wrong flags need not wait for it
    from hpmkd.audit.findings import headers

    found = headers(saved.output)
    outcome = _predict(saved, found, given.data_dir)
    outcome = _memorise(saved, found, given.data_dir, outcome)
    frame, measures = results.collect_saved(saved, found)
    if given.json:
        print(json.dumps(_as_json(saved, frame, outcome), indent=1))
    else:
        _show(saved, frame, outcome)
    results.write(frame, saved.output, measures)
    if outcome is None:
        return EXIT_OK
    return EXIT_ENVIRONMENT if outcome.lacking else EXIT_SOME_FAILED if outcome.wrong else EXIT_OK


def _predict(saved: Saved, found: dict[str, Header], data_dir: str | None) -> Outcome | None:
    """Has the models answer whose answers are not there; None where all are: then torch is not needed."""
    from hpmkd.audit.measured import unpredicted

    missing = unpredicted(saved.output, found)
    if not missing:
        return None
    from hpmkd.training.missing_predictions import predict_missing

    data = saved.config.data if saved.config else DataConfig()
    if data_dir:
        data = data.model_copy(update={"dir": str(Path(data_dir).expanduser().absolute())})
    sources = {job.data.name: job.data.source for job in saved.jobs}
    with Console(stderr=True).status("the images are being read") as status:

        def tell(key: str, number: int) -> None:
            status.update(f"{number} of {len(missing)}: {key}")

        return predict_missing(saved.output, missing, data, sources=sources, tell=tell)


def _memorise(saved: Saved, found: dict[str, Header], data_dir: str | None, before: Outcome | None) -> Outcome | None:
    """Asks the models that were trained on wrong labels about these images, where that is not known; `before`: what was
    done for the others, with which its own is joined."""
    from hpmkd.audit.data_measures import unmemorised

    missing = unmemorised(saved.output, found)
    if not missing:
        return before
    from hpmkd.training.memorise import memorise_missing

    data = saved.config.data if saved.config else DataConfig()
    if data_dir:
        data = data.model_copy(update={"dir": str(Path(data_dir).expanduser().absolute())})
    sources = {job.data.name: job.data.source for job in saved.jobs}
    with Console(stderr=True).status("the training images are being read") as status:

        def tell(key: str, number: int) -> None:
            status.update(f"wrong labels, {number} of {len(missing)}: {key}")

        done = memorise_missing(saved.output, missing, data, sources=sources, tell=tell)
    if before is None:
        return replace(done, made=[])  # which are those that were shown test images
    return replace(before, wrong={**done.wrong, **before.wrong}, lacking={**done.lacking, **before.lacking})


def _problems(outcome: Outcome | None) -> list[str]:
    if outcome is None:
        return []
    made = [f"{key}: {words}; hpmkd verify says more" for key, words in outcome.wrong.items()]
    return made + [
        f"{len(keys)} model{'s' * (len(keys) > 1)} of {dataset} not measured ({', '.join(keys[:3])}"
        f"{', ...' * (len(keys) > 3)}): {why}"
        for dataset, (keys, why) in outcome.lacking.items()
    ]


def _as_json(saved: Saved, frame: pd.DataFrame, outcome: Outcome | None) -> dict[str, Any]:
    from hpmkd.audit import data_measures, measured

    networks = frame[frame["role"].isin(["teacher", "assistant", "student"])]
    rows = networks[
        ["file", "dataset", "role", "baseline", "run", "accuracy_pct", *measured.COLUMNS, *data_measures.COLUMNS]
    ].astype(object)
    models = rows.where(rows.notna(), None).to_dict("records")
    made = [] if outcome is None else list(outcome.made)
    about = {"root": str(saved.output.root), "answered_now": made, "problems": _problems(outcome)}
    return dict(json_ready({**about, "models": models}))


def _show(saved: Saved, frame: pd.DataFrame, outcome: Outcome | None) -> None:
    from hpmkd.audit.measure_tables import tables

    console = Console(highlight=False)
    known, count = int(frame["nll"].notna().sum()), 0 if outcome is None else len(outcome.made)
    shown = f", {count} of them {'was' if count == 1 else 'were'} shown the test images now" if count else ""
    console.print(Text(f"{saved.output.root}: {number_of(known, 'model')} measured{shown}"), soft_wrap=True)
    order = [one.label for one in baselines_of(saved.config)] if saved.config else []
    for table in tables(frame, order):
        console.print(table)
    for line in _problems(outcome):
        console.print(Text(line, style="red"), soft_wrap=True)
    if known:
        console.print(Text(f"one row per model: {saved.output.root / 'results.csv'}"), soft_wrap=True)
