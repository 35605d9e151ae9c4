"""The section on what layers make of images: planted similarities are found, and every sentence follows the numbers."""

from __future__ import annotations

import hashlib
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from support.frames import make_output
from support.predictions import made_up
from support.predictions import put_all as put_answers
from support.representations import put_all

from hpmkd.analysis.experiments import seen
from hpmkd.analysis.experiments.contrast import records
from hpmkd.analysis.experiments.corrected import apart, in_a_ring
from hpmkd.analysis.report import write_report
from hpmkd.analysis.report.content import gather
from hpmkd.analysis.section import Section
from hpmkd.plan.catalog import BASELINES
from hpmkd.store.output_dir import OutputDir

ORDER = ["Direct", "TraditionalKD", "FitNets", "KD-Ensemble"]
FIGURES = {"cka", "cka-embedding", "silhouette", "knn", "probe", "fidelity", "tsne"}
TABLES = {"representations", "representations-differences", "representations-layers"}


def noise(key: str) -> float:
    """The same in each process, sd 0.002."""
    return float(np.random.default_rng(list(hashlib.sha256(key.encode()).digest())).normal(0, 0.002))


def similarity(effects: dict[str, float], teachers: float = 0.9, seeds: float = 0.7) -> Callable[[str, str], float]:
    """CKA 0.8 with the teacher, plus the effect of a baseline; of teachers and of seeds."""

    def of(key: str, other: str) -> float:
        if key.startswith("teacher"):
            return teachers
        if not other.startswith("teacher"):
            return seeds + noise(key)
        return 0.8 + noise(key) + next((value for name, value in effects.items() if f"_{name}_" in key), 0.0)

    return of


def make(root: Path, cache_dir: Path, runs: int = 5, order: list[str] = ORDER) -> OutputDir:
    output, _, _ = make_output(root, cache_dir, lambda job: 60.0 + 10 * noise(job.key), baselines=order, runs=runs)
    return output


def section(output: OutputDir) -> Section:
    return next(one for one in gather(output.root).sections if one.name == "representations")


def rows(made: Section, measure: str, reference: str) -> dict[str, dict[str, float]]:
    table = next(one for one in made.tables if one.name == "representations-differences").frame
    found = table[(table["measure"] == measure) & (table["reference"] == reference)]
    return {str(row["baseline"]): row for row in records(found)}


def test_what_is_planted_is_found(tmp_path: Path, cache_dir: Path) -> None:
    output = make(tmp_path / "out", cache_dir)
    put_all(output, similarity({"TraditionalKD": 0.05, "FitNets": -0.1}, seeds=0.6995), lambda key: 0.4 + noise(key))
    made = section(output)
    own = rows(made, "cka_embedding", "Direct")
    assert {name: row["finding"] for name, row in own.items()} == {
        "TraditionalKD": "higher", "FitNets": "lower", "KD-Ensemble": "not shown",
    }  # fmt: skip
    assert own["TraditionalKD"]["difference"] == pytest.approx(0.05, abs=0.004)
    said = made.sentences[0]
    assert "closer: TraditionalKD +0.0" in said
    assert "further away: FitNets -0.09" in said
    assert "not shown: 1 of 3 (5 runs" in said
    teachers, seeds = (rows(made, "cka_embedding", kind) for kind in ("two teachers", "two seeds of Direct"))
    assert {row["finding"] for row in teachers.values()} == {"lower"}, "0.9 is closer than all of them"
    assert {name: row["finding"] for name, row in seeds.items()} == {
        "TraditionalKD": "higher", "FitNets": "not shown", "KD-Ensemble": "higher",
    }  # fmt: skip
    assert "from another seed has a CKA of 0.900 with the first" in made.sentences[1]
    assert "further away from it than that: TraditionalKD, FitNets and KD-Ensemble." in made.sentences[1]
    assert re.search(r"differ by the seed alone have a CKA of 0\.(69|70)", made.sentences[2])
    assert any("silhouette: no difference shown, of 3 methods" in line for line in made.sentences)


def test_the_same_sweep_with_other_numbers_says_other_things(tmp_path: Path, cache_dir: Path) -> None:
    output = make(tmp_path / "out", cache_dir)
    put_all(output, similarity({}, teachers=0.5), lambda key: 0.6 + noise(key) if "_FitNets_" in key else 0.4)
    made = section(output)
    assert (
        "no method is shown to be closer to its teacher than Direct is (5 runs), or further away" in made.sentences[0]
    )
    assert "closer to the teacher than that: TraditionalKD, FitNets and KD-Ensemble." in made.sentences[1]
    assert any("silhouette: higher for FitNets +0.2" in line for line in made.sentences)


def test_numbers_are_those_of_a_t_test(tmp_path: Path, cache_dir: Path) -> None:
    from scipy.stats import ttest_rel
    from statsmodels.stats.multitest import multipletests

    output = make(tmp_path / "out", cache_dir)
    put_all(output, similarity({"TraditionalKD": 0.001}))
    frame = gather(output.root).frame
    students = frame[frame["role"] == "student"].pivot_table(index="run", columns="baseline", values="cka_embedding")
    p = [ttest_rel(students[name], students["Direct"]).pvalue for name in ORDER[1:]]
    own = rows(section(output), "cka_embedding", "Direct")
    assert [own[name]["p"] for name in ORDER[1:]] == pytest.approx(p, rel=1e-4)
    assert [own[name]["p_family"] for name in ORDER[1:]] == pytest.approx(multipletests(p, method="holm")[1], rel=1e-4)


@pytest.mark.parametrize("runs", [3, 5, 10])
def test_rings_keep_their_level(runs: int) -> None:
    """The worst case: a number of two networks is the sum of one of each, so that neighbours have a correlation of 1/2.
    A plain t-test finds too much, this one does not."""
    random, false, plain = np.random.default_rng(0), 0, 0
    for _ in range(2000):
        own = random.normal(size=runs)
        values = pd.Series(own + np.roll(own, -1))
        false += in_a_ring(values)["p"] < 0.05
        plain += apart(values)["p"] < 0.05
    assert false / 2000 < 0.06
    assert plain / 2000 > 0.1
    assert math.isnan(in_a_ring(pd.Series([1.0, 2.0]))["p"])
    assert math.isnan(in_a_ring(pd.Series([1.0, 1.0, 1.0]))["p"])


def test_one_run_shows_nothing(tmp_path: Path, cache_dir: Path) -> None:
    output = make(tmp_path / "out", cache_dir, runs=1)
    put_all(output, similarity({"TraditionalKD": 0.1}))
    made = section(output)
    assert "one run per baseline shows nothing" in made.sentences[0]
    assert "too few runs" in made.sentences[1]


def test_without_measures_there_is_no_section(tmp_path: Path, cache_dir: Path) -> None:
    output = make(tmp_path / "out", cache_dir, runs=1)
    assert "representations" not in {one.name for one in gather(output.root).sections}


def test_what_is_not_measured_is_told_and_old_weights_do_not_count(tmp_path: Path, cache_dir: Path) -> None:
    from hpmkd.store.result_file import commit, load

    output = make(tmp_path / "out", cache_dir)
    put_all(output, similarity({}))
    output.representation_file("student_Digits_FitNets_run1").unlink()
    path = output.models / "student_Digits_FitNets_run2.pt"
    header, state = load(path)
    commit(path, {name: value + 1 for name, value in state.items()}, 50.0, 1.0, header.metadata)
    made = section(output)
    assert "2 of 22 models are not compared yet." in made.sentences
    assert rows(made, "cka_embedding", "Direct")["FitNets"]["n"] == 3


def test_page_figures_and_tables(tmp_path: Path, cache_dir: Path) -> None:
    output = make(tmp_path / "out", cache_dir)
    put_all(output, similarity({"TraditionalKD": 0.05}))
    put_answers(output, lambda number, key: made_up(number))
    write_report(output.root)
    page = (output.root / "report.html").read_text()
    for name in FIGURES:
        assert f'id="figure-{name}"' in page
    for name in TABLES:
        assert f'id="table-{name}"' in page
    assert "llustration only" in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for line in section(output).sentences:
        assert line.replace("'", "&#39;").replace("<", "&lt;") in page
    layers = next(one for one in section(output).folded).frame
    assert layers[layers["kind"] == "two teachers"]["mean"].max() == pytest.approx(0.9)


def test_the_headline_about_accuracy_does_not_count_it(tmp_path: Path, cache_dir: Path) -> None:
    """It speaks of accuracies, of which these differences say nothing."""
    output = make(tmp_path / "out", cache_dir)
    put_all(output, similarity({"TraditionalKD": 0.05}))
    assert "What the layers make of images" not in gather(output.root).conclusions[0]


def test_cells_that_validation_images_did_not_choose_are_left_out(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What neighbours and probe get right on test images is said of no cell that nobody may choose by it."""
    output = make(tmp_path / "out", cache_dir, runs=2)
    put_all(output, similarity({}))
    monkeypatch.setattr(seen, "unchosen", lambda frame, config: frame.index[frame["baseline"] == "FitNets"])
    made = section(output)
    shown = {str(name) for table in (*made.tables, *made.folded) for name in table.frame.iloc[:, 1]}
    assert "TraditionalKD" in shown
    assert "FitNets" not in shown
    assert "FitNets" not in " ".join(made.sentences)


@pytest.mark.parametrize(
    "order",
    [
        ["Direct", "AT"],
        pytest.param([*BASELINES, *(f"TraditionalKD-T{n}" for n in range(5, 17))], marks=pytest.mark.slow),
    ],
)
def test_figures_with_two_and_with_twenty_baselines(tmp_path: Path, cache_dir: Path, order: list[str]) -> None:
    """All is drawn inside the picture, and no number of the heat maps is wider than its cell."""
    output = make(tmp_path / "out", cache_dir, runs=2, order=order)
    put_all(output, similarity({}))
    put_answers(output, lambda number, key: made_up(number))
    for one in section(output).drawings:
        figure, canvas = one.figure, FigureCanvasAgg(one.figure)
        canvas.draw()
        box = figure.get_tightbbox()
        assert box.width <= figure.get_figwidth() + 0.02
        if one.name == "cka":
            for axes in figure.axes[:-1]:
                width = axes.get_window_extent().width / 3
                assert all(text.get_window_extent().width < width for text in axes.texts)


@pytest.mark.slow
def test_pictures_do_not_depend_on_the_hash_seed(tmp_path: Path, cache_dir: Path) -> None:
    output = make(tmp_path / "out", cache_dir, runs=2)
    put_all(output, similarity({}))
    code = (
        "import pathlib, sys; from hpmkd.analysis.report import write_report; write_report(pathlib.Path(sys.argv[1]))"
    )
    found = []
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", code, str(output.root)], env={**os.environ, "PYTHONHASHSEED": seed}, check=True
        )
        found.append({name: (output.root / "figures" / f"{name}.svg").read_bytes() for name in FIGURES - {"fidelity"}})
    assert found[0] == found[1]
