"""The whole path in one process, on one small Ray: from a command line to verified files, and on from there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from support.malicious import write_evil
from support.sweeps import damage, restore, stamps, start, weights

from hpmkd.cli.status import status
from hpmkd.store import predictions
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.progress_log import read_all
from hpmkd.store.result_file import commit, load_weights
from hpmkd.store.sidecar import read_sidecar, sidecar_path

pytestmark = pytest.mark.usefixtures("small_ray")
# HPM-KD with everything that it can have.
FULL = ("--hpmkd.teachers", "2", "--hpmkd.chain_length", "1")
BASELINES = ("Direct", "TraditionalKD", "FitNets", "AT", "TAKD", "HPM-KD")
MODELS = {"teacher_Digits.pt", "teacher_Digits_2.pt", "assistant_Digits_TAKD.pt", "assistant_Digits_HPM-KD_1.pt"}
TABLES = {f"logits_{name.removesuffix('.pt')}.npy" for name in MODELS}
MODELS |= {f"student_Digits_{name}_run1.pt" for name in BASELINES}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """A finished sweep over every baseline; tests take copies."""
    output = tmp_path_factory.mktemp("finished") / "sweep"
    assert start(output, cache_dir, "--max-concurrent", "2", *FULL) == 0
    return output


@pytest.fixture
def sweep(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may break (another path: it counts as moved)."""
    return Path(shutil.copytree(finished, tmp_path / "sweep"))


def test_leaves_every_file_it_promises(finished: Path) -> None:
    assert {path.name for path in (finished / "models").glob("*.pt")} == MODELS
    sidecars = {f"{name}.json" for name in MODELS}
    assert {path.name for path in (finished / "models").glob("*.json")} == sidecars | {"search_Digits.json"} | {
        f"{name}.json" for name in TABLES
    }
    assert {path.name for path in (finished / "models").glob("*.npy")} == TABLES
    for name in MODELS:
        key = name.removesuffix(".pt")
        recalled = torch.load(finished / "models" / name)["metadata"].get("recalled", False)
        assert recalled or list((finished / "tensorboard" / key).glob("events.out.tfevents.*"))
        (folder,) = (finished / "tune" / "round000").glob(f"{key}-*")
        newest = max(folder.glob("checkpoint_*"))
        assert (newest / "model.pt").read_bytes() == (finished / "models" / name).read_bytes()


def test_progress_of_every_model_is_kept(finished: Path) -> None:
    found = read_all(OutputDir(finished))
    assert set(found) == {path.rpartition(".")[0] for path in MODELS | TABLES | {"search_Digits.json"}}
    assert {one.state for one in found.values()} == {"ended"}
    assert len(found["student_Digits_AT_run1"].epochs) == 2
    assert status(["--json", str(finished)], "hpmkd status") == 0


def test_results_have_one_row_per_file(finished: Path) -> None:
    table = pd.read_csv(finished / "results.csv")
    assert set(table["file"]) == MODELS | TABLES | {"search_Digits.json"}
    assert table["planned"].all()
    assert table.loc[table["file"].isin(MODELS), "accuracy_pct"].between(5, 100).all()
    pd.testing.assert_series_equal(pd.read_parquet(finished / "results.parquet")["sha256"], table["sha256"])


def test_every_network_is_measured_at_the_end(finished: Path) -> None:
    """Those from the shared cache, too; their answers are those of the weights in their files."""
    table = pd.read_parquet(finished / "results.parquet").set_index("file")
    assert table["nll"].notna().sum() == len(MODELS)
    assert table.loc[sorted(MODELS), "nll"].gt(0).all()
    students = [name for name in MODELS if name.startswith("student")]
    assert (table.loc[students, "agreement_with"] == "teacher_Digits").all()
    assert table.loc[students, "agreement_pct"].between(0, 100).all()
    for name in MODELS:
        key = name.removesuffix(".pt")
        header = read_sidecar(finished / "models" / name)
        assert header is not None
        found = predictions.read(finished / "predictions" / f"{key}.npy", header.weights)
        assert found is not None
        assert found.accuracy_pct == header.accuracy
    assert len(pd.read_parquet(finished / "measures.parquet")) == len(MODELS)


@pytest.mark.slow
def test_a_deleted_model_gets_answers_of_its_own(sweep: Path) -> None:
    """Trained again, alone, whatever its old answers are; those of models that stay are never a reason to train."""
    before, answers = stamps(sweep), sweep / "predictions"
    gone = [f"student_Digits_{baseline}_run1" for baseline in ("AT", "Direct", "FitNets")]  # kept, damaged, gone
    stay = [f"student_Digits_{baseline}_run1" for baseline in ("HPM-KD", "TAKD", "TraditionalKD")]
    for name in gone:
        (sweep / "models" / f"{name}.pt").unlink()
        sidecar_path(sweep / "models" / f"{name}.pt").unlink()
    for _, damaged, lost in (gone, stay):
        (answers / f"{damaged}.npy").write_bytes(b"damaged")
        (answers / f"{lost}.npy").unlink()
    assert restore(sweep) == 0
    after = stamps(sweep)
    assert {model for model in after if after[model] != before[model]} == {f"{name}.pt" for name in gone}
    table = pd.read_parquet(sweep / "results.parquet").set_index("file")
    assert all(table.loc[f"{name}.pt", "nll"] > 0 for name in gone)
    assert [bool(pd.isna(table.loc[f"{name}.pt", "nll"])) for name in stay] == [False, True, True]


def test_second_start_trains_nothing(sweep: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the clock says: every other file is a year old, the rest are from next year."""
    for number, path in enumerate(sorted(sweep.rglob("*"))):
        shifted = path.stat().st_mtime + (-1) ** number * 366 * 86400
        os.utime(path, (shifted, shifted))
    before = stamps(sweep)
    assert start(sweep, cache_dir, *FULL) == 0
    out = capsys.readouterr().out
    assert out.count("not trained again") == len(MODELS) + len(TABLES) + 1
    assert "saved" not in out
    assert stamps(sweep) == before


def test_trains_exactly_the_damaged_ones_again_to_the_same_weights(
    sweep: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    broken = ("student_Digits_AT_run1.pt", "teacher_Digits.pt", "student_Digits_Direct_run1.pt")
    before = stamps(sweep)
    damage(sweep, *broken)
    assert restore(sweep) == 0
    after = stamps(sweep)
    assert {name for name in MODELS if after[name] != before[name]} == set(broken)
    out = capsys.readouterr().out
    assert all(f"saved {name}" in out for name in broken), "the shared memory must not stand in"
    assert weights(sweep) == weights(finished)
    kept = {path.name for path in (sweep / "quarantine").glob("*.pt")}
    assert kept == {"teacher_Digits.1.pt", "student_Digits_Direct_run1.1.pt"}


@pytest.mark.slow
def test_every_fault_of_files_at_once(
    sweep: Path, finished: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One restore after all of it: what is broken is set aside with its reason and trained again, nothing else is."""
    models = sweep / "models"
    students = {name: models / f"student_Digits_{name}_run1.pt" for name in BASELINES}
    (models / "teacher_Digits_2.pt").write_bytes(b"")
    write_evil(students["AT"], tmp_path / "ran", "zip")
    sidecar_path(students["AT"]).unlink()
    for place in (lambda path: path, sidecar_path):
        shutil.copyfile(place(students["FitNets"]), place(students["Direct"]))
    students["TAKD"].unlink()
    students["TAKD"].mkdir()
    before = stamps(sweep)
    students["TraditionalKD"].unlink()
    students["TraditionalKD"].symlink_to("nowhere")
    (models / "search_Digits.json").write_bytes((models / "search_Digits.json").read_bytes()[:-9])
    sidecar_path(models / "assistant_Digits_TAKD.pt").unlink()
    shutil.copy(sidecar_path(models / "teacher_Digits.pt"), sidecar_path(models / "assistant_Digits_HPM-KD_1.pt"))
    leftovers = [folder / ".tmp-x-1-2" for folder in (sweep, models, sweep / "quarantine", sweep / "tune/round000")]
    for path in leftovers:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half a file")
    assert restore(sweep) == 0
    assert not (tmp_path / "ran").exists()
    assert weights(sweep) == weights(finished)
    whole = {"teacher_Digits.pt", "assistant_Digits_TAKD.pt", "assistant_Digits_HPM-KD_1.pt"}
    whole |= {students[name].name for name in ("FitNets", "HPM-KD")}
    assert {name for name, stamp in stamps(sweep).items() if before.get(name) == stamp} == whole
    assert read_sidecar(models / "assistant_Digits_TAKD.pt") is not None
    assert not [path for path in leftovers if path.exists()]
    reasons = {path.name.partition(".")[0]: json.loads(path.read_text())["reason"] for path in reason_files(sweep)}
    assert {name: reasons.pop(f"student_Digits_{name}_run1") for name in ("Direct", "TAKD", "TraditionalKD")} == {
        "Direct": "holds another model: student_Digits_FitNets_run1",
        "TAKD": "a folder, expected a model file that can be read",
        "TraditionalKD": "a link that leads nowhere, expected a model file that can be read",
    }
    assert reasons.keys() == {"teacher_Digits_2", "student_Digits_AT_run1", "search_Digits"}
    assert capsys.readouterr().out.count("moved to") == 6


def reason_files(sweep: Path) -> list[Path]:
    """Why each file was set aside."""
    return list((sweep / "quarantine").glob("*.reason.json"))


@pytest.mark.slow
def test_other_weights_of_a_teacher(sweep: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Written whole and with the right recipe, as another machine would: only its children can tell."""
    path = sweep / "models" / "teacher_Digits.pt"
    header, state = load_weights(path)
    commit(path, {name: value * 1.01 for name, value in state.items()}, 50.0, 1.0, header.metadata)
    before = stamps(sweep)
    assert start(sweep, cache_dir, *FULL) == 4
    assert "teacher_Digits.pt was trained again and has other weights" in capsys.readouterr().err
    assert stamps(sweep) == before
    assert start(sweep, cache_dir, *FULL, "--force") == 0
    changed = {name for name, stamp in stamps(sweep).items() if before[name] != stamp}
    alone = {"teacher_Digits.pt", "teacher_Digits_2.pt", "student_Digits_Direct_run1.pt"}
    assert changed == MODELS - alone
    assert {path.name for path in (sweep / "archive").glob("*.pt")} == {f"{Path(name).stem}.1.pt" for name in changed}
    new = weights(sweep)
    parents = torch.load(sweep / "models" / "student_Digits_AT_run1.pt")["metadata"]["parents"]
    assert parents == {"teacher_Digits": new["teacher_Digits.pt"]}


@pytest.mark.slow
def test_deleting_every_model_trains_every_model(sweep: Path, finished: Path) -> None:
    shutil.rmtree(sweep / "models")
    assert restore(sweep) == 0
    assert weights(sweep) == weights(finished)


@pytest.mark.slow
def test_more_runs_and_fewer_baselines_train_only_what_is_new(sweep: Path, cache_dir: Path) -> None:
    before = stamps(sweep)
    assert start(sweep, cache_dir, *FULL, "--runs", "2", "--baselines", "Direct", "AT") == 0
    after = stamps(sweep)
    assert after.keys() - before.keys() == {"student_Digits_Direct_run2.pt", "student_Digits_AT_run2.pt"}
    assert {name: after[name] for name in before} == before
    table = pd.read_csv(sweep / "results.csv").set_index("file")
    assert not table.loc["student_Digits_TAKD_run1.pt", "planned"]


@pytest.mark.slow
def test_changed_setting_is_refused_then_forced(
    sweep: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stamps(sweep)
    config = (sweep / "sweep.yaml").read_bytes()
    assert start(sweep, cache_dir, *FULL, "--kd.temperature", "5") == 4
    message = capsys.readouterr().err
    assert "`kd.temperature` 4.0 -> 5.0" in message
    assert "--force" in message
    assert stamps(sweep) == before
    assert (sweep / "sweep.yaml").read_bytes() == config
    assert start(sweep, cache_dir, *FULL, "--kd.temperature", "5", "--force") == 0
    after = stamps(sweep)
    same = {"teacher_Digits.pt", "teacher_Digits_2.pt", "student_Digits_Direct_run1.pt"}
    assert {name for name in MODELS if after[name] == before[name]} == same
    assert len(list((sweep / "archive").glob("*.pt"))) == len(MODELS) - len(same)


@pytest.mark.slow
def test_moved_output_goes_on(sweep: Path, tmp_path: Path, finished: Path) -> None:
    """Into a path that contains the old one: that is where Tune's own restore breaks."""
    target = tmp_path / "elsewhere" / str(sweep).lstrip("/")
    target.parent.mkdir(parents=True)
    sweep.rename(target)
    (target / "models" / "student_Digits_TAKD_run1.pt").unlink()
    assert restore(target) == 0
    assert weights(target) == weights(finished)
    assert not sweep.exists()


@pytest.mark.slow
def test_diverged_teacher_fails_alone_with_its_descendants(
    tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SGD at an absurd rate makes the loss infinite; what needs no teacher is still tried."""
    more = ["--baselines", "Direct", "TAKD", "--fit.optimizer", "sgd", "--fit.lr", "1e30"]
    assert start(tmp_path / "out", cache_dir, *more) == 1
    captured = capsys.readouterr()
    assert captured.out.count("teacher Digits: DIVERGED") == 1, "it is not tried again"
    assert "the same command tries them again" in captured.err
    assert "student_Digits_Direct_run1.pt: epoch 1: the training loss is" in captured.err
    assert "student_Digits_TAKD_run1.pt: waits for logits_assistant_Digits_TAKD" in captured.err
    assert list((tmp_path / "out" / "models").glob("*.pt")) == []


@pytest.mark.slow
def test_share_of_a_gpu_reaches_every_trial(tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray has eight made-up GPUs; the trials ask for a fifth each and compute on the CPU."""
    from hpmkd.sweep import driver

    grids = []
    inner = driver.run_round
    monkeypatch.setattr(driver, "run_round", lambda *given, **more: grids.append(inner(*given, **more)))
    assert start(tmp_path / "out", cache_dir, "--gpus-per-trial", "0.2", "--baselines", "Direct") == 0
    trials = grids[0]._experiment_analysis.trials
    assert len(trials) == 2
    assert all(trial.placement_group_factory.bundles == [{"CPU": 1.0, "GPU": 0.2}] for trial in trials)


@pytest.mark.slow
def test_fail_fast_stops_at_the_first_failure(
    tmp_path: Path, cache_dir: Path, capfd: pytest.CaptureFixture[str], small_ray: None
) -> None:
    """All of them diverge; two run side by side, so that at most three are tried, and the same command goes on."""
    given = ["--baselines", "Direct", "--runs", "8", "--fit.lr", "1e30", "--student-epochs", "30"]
    given += ["--max-concurrent", "2"]
    assert start(tmp_path / "out", cache_dir, *given, "--fail-fast") == 1
    out, error = capfd.readouterr()
    assert 1 <= out.count("DIVERGED") <= 3
    assert "9 models were not trained" in error
    assert "left out, because another model failed first" in error
