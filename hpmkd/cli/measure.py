"""`measure`: more about a sweep's models than their accuracy."""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from hpmkd.audit.sweep_dir import Saved, open_saved, sweeps_in
from hpmkd.cli.parser import Arguments
from hpmkd.config.paths import user_path
from hpmkd.config.programme import modes_in
from hpmkd.config.sweep import DataConfig
from hpmkd.data.source.listing import count as number_of
from hpmkd.data.source.listing import named, some_of
from hpmkd.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_SOME_FAILED
from hpmkd.log import log
from hpmkd.numeric import json_ready
from hpmkd.plan.catalog import baselines_of

if TYPE_CHECKING:
    import pandas as pd

    from hpmkd.store.sidecar import Header
    from hpmkd.training.missing_predictions import Outcome

# What `--json` calls the models that were shown images now -> what became of it; None where nothing was missing.
Outcomes = dict[str, "Outcome | None"]
ANSWERED = "answered_now"
_EXAMPLES = """  hpmkd measure results/quick
  hpmkd measure results/old --data-dir ~/data      a sweep of which the predictions are missing
  hpmkd measure results/quick --representations    also what the layers make of images; some seconds per model
  hpmkd measure results/quick --json | jq '.models[] | {file, nll, ece_pct}'"""
_DESCRIPTION = """Computes, of every model of a sweep: macro-F1, balanced accuracy, the worst class's recall, top-5,
negative log-likelihood, Brier score, calibration error before and after temperature scaling, agreement with the
teacher; under imbalance the recall of rare classes, under label noise how many wrong labels it has memorised. Writes
them into results.parquet, results.csv and measures.parquet (with confusion matrices). A sweep keeps what each model
answers to each test image; where that is missing or damaged, the model is shown the test images again. With
--representations also similarity of the layers to those of the teacher (CKA), and of the embedding silhouette,
nearest neighbours, a linear probe and a map. A second call computes only what has changed. Exit code 0: all models
that are there are measured; 1: some files are damaged, or models answer otherwise than their files say; 3: images are
missing, or the folder cannot be written."""


def build_parser(prog: str) -> Arguments:
    """The flags of the command."""
    parser = Arguments(prog, _DESCRIPTION, _EXAMPLES)
    parser.add_argument("dir", metavar="DIR", help="the output folder of a sweep, or of a programme")
    parser.add_argument(
        "--data-dir", metavar="DIR", help="folder of the data sets, if it is not the one of the sweep and is needed"
    )
    parser.add_argument(
        "--representations",
        action="store_true",
        help="compare what the layers of the models make of images, and how well embeddings separate the classes",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser


def measure(argv: Sequence[str], prog: str) -> int:
    """Runs the command; returns the exit code."""
    given = build_parser(prog).parse_args(list(argv))
    root = user_path(given.dir, "DIR")
    names = modes_in(root)
    if not names:
        code, told = _measured(open_saved(root), given)
    else:
        started = {path.name: open_saved(path) for path in sweeps_in(root) if path.name in names}
        done = {name: _measured(saved, given) for name, saved in started.items() if saved.jobs}
        code = max((one for one, _ in done.values()), default=EXIT_OK)
        told = {"root": str(root), "sweeps": {name: one for name, (_, one) in done.items()}}
    if given.json:
        print(json.dumps(told, indent=1))
    return code


def _measured(saved: Saved, given: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Measures a sweep and prints its tables; the exit code, and what `--json` prints instead."""
    from hpmkd.audit import results  # pandas takes a second: --help and wrong flags need not wait for it
    from hpmkd.audit.findings import sorted_out

    found, broken = sorted_out(saved.output)
    outcomes = {ANSWERED: _predict(saved, found, given.data_dir)}
    outcomes["memorised_now"] = _memorise(saved, found, given.data_dir)
    if given.representations:
        outcomes["represented_now"] = _represent(saved, found, given.data_dir)
    frame, measures = results.collect_saved(saved, found)
    results.write(frame, saved.output, measures)
    problems = [*_unusable(saved, found, broken), *_problems(outcomes)]
    told = _as_json(saved, frame, outcomes, problems) if given.json else {}
    if not given.json:
        _show(saved, frame, outcomes, problems)
    known = [one for one in outcomes.values() if one is not None]
    if any(one.lacking for one in known):
        return EXIT_ENVIRONMENT, told
    return EXIT_SOME_FAILED if broken or any(one.wrong for one in known) else EXIT_OK, told


def _unusable(saved: Saved, found: Collection[str], broken: Mapping[str, str]) -> list[str]:
    """What is said of files that are not valid, and of planned models that are not there."""
    again = f"hpmkd run --restore {shlex.quote(str(saved.output.root))} trains" if saved.config else ""
    made = [f"{stem}: damaged and left out: {why}" for stem, why in broken.items()]
    made += [f"{again} {'it' if len(broken) == 1 else 'them'} again"] if broken and again else []
    gone = [job.key for job in saved.jobs if job.role.is_network and job.key not in {*found, *broken}]
    if gone:
        total = sum(job.role.is_network for job in saved.jobs)
        them = "it" if len(gone) == 1 else "them"
        made.append(f"{some_of(len(gone), total, 'model')} not there ({named(gone, 3)}); {again} {them}")
    return made


def _predict(saved: Saved, found: dict[str, Header], data_dir: str | None) -> Outcome | None:
    """Has the models answer whose answers are not there; None where all are: then torch is not needed."""
    from hpmkd.audit.measured import unpredicted

    missing = unpredicted(saved.output, found)
    if not missing:
        return None
    from hpmkd.training.missing_predictions import predict_missing

    with _telling(len(missing)) as tell:
        return predict_missing(saved.output, missing, _data(saved, data_dir), sources=_sources(saved), tell=tell)


def _memorise(saved: Saved, found: dict[str, Header], data_dir: str | None) -> Outcome | None:
    """Asks the models that were trained on wrong labels about these images, where that is not known."""
    from hpmkd.audit.data_measures import unmemorised

    missing = unmemorised(saved.output, found)
    if not missing:
        return None
    from hpmkd.training.memorise import memorise_missing

    with _telling(len(missing)) as tell:
        return memorise_missing(saved.output, missing, _data(saved, data_dir), sources=_sources(saved), tell=tell)


def _represent(saved: Saved, found: dict[str, Header], data_dir: str | None) -> Outcome | None:
    """The same for what is in `representations/`."""
    from hpmkd.audit.represented import unrepresented

    missing, damaged = unrepresented(saved.output, found)
    for key in damaged:
        log.warning(f"{saved.output.representation_file(key)}: damaged; it is made again")
    if not missing:
        return None
    from hpmkd.training.represent import represent

    data, sources = _data(saved, data_dir), _sources(saved)
    with _telling(len(missing)) as tell:
        return represent(saved.output, missing, found, data=data, sources=sources, tell=tell)


def _data(saved: Saved, folder: str | None) -> DataConfig:
    data = saved.config.data if saved.config else DataConfig()
    return data.model_copy(update={"dir": str(Path(folder).expanduser().absolute())}) if folder else data


def _sources(saved: Saved) -> dict[str, str | None]:
    return {job.data.name: job.data.source for job in saved.jobs}


@contextlib.contextmanager
def _telling(of: int) -> Iterator[Callable[[str, int], None]]:
    """A line on the terminal that says which model's turn it is."""
    with Console(stderr=True).status("the images are being read") as status:

        def tell(key: str, number: int) -> None:
            status.update(f"{number} of {of}: {key}")

        yield tell


def _problems(outcomes: Outcomes) -> list[str]:
    """Each once: the same images may be missing for several."""
    return list(dict.fromkeys(line for one in outcomes.values() if one is not None for line in _problems_of(one)))


def _problems_of(outcome: Outcome) -> list[str]:
    made = [f"{key}: {words}; hpmkd verify says more" for key, words in outcome.wrong.items()]
    return made + [
        f"{len(keys)} model{'s' * (len(keys) > 1)} of {dataset} not measured ({', '.join(keys[:3])}"
        f"{', ...' * (len(keys) > 3)}): {why}"
        for dataset, (keys, why) in outcome.lacking.items()
    ]


def _as_json(saved: Saved, frame: pd.DataFrame, outcomes: Outcomes, problems: Sequence[str]) -> dict[str, Any]:
    from hpmkd.audit import data_measures, measured, represented

    networks = frame[frame["role"].isin(["teacher", "assistant", "student"])]
    columns = [*measured.COLUMNS, *data_measures.COLUMNS, *represented.COLUMNS]
    rows = networks[["file", "dataset", "role", "baseline", "run", "accuracy_pct", *columns]].astype(object)
    models = rows.where(rows.notna(), None).to_dict("records")
    made = {name: [] if one is None else list(one.made) for name, one in outcomes.items()}
    about = {"root": str(saved.output.root), **made, "problems": list(problems)}
    return dict(json_ready({**about, "models": models}))


def _show(saved: Saved, frame: pd.DataFrame, outcomes: Outcomes, problems: Sequence[str]) -> None:
    from hpmkd.audit.measure_tables import tables

    console = Console(highlight=False)
    answered = outcomes[ANSWERED]
    known, count = int(frame["nll"].notna().sum()), 0 if answered is None else len(answered.made)
    shown = f", {count} of them {'was' if count == 1 else 'were'} shown the test images now" if count else ""
    console.print(Text(f"{saved.output.root}: {number_of(known, 'model')} measured{shown}"), soft_wrap=True)
    order = [one.label for one in baselines_of(saved.config)] if saved.config else []
    for table in tables(frame, order):
        console.print(table)
    for line in problems:
        console.print(Text(line, style="red"), soft_wrap=True)
    if known:
        console.print(Text(f"one row per model: {saved.output.root / 'results.csv'}"), soft_wrap=True)
