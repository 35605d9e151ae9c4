"""An output that hpmkd 0.1 has made: known as such, readable, and never called damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from support import sweeps

import hpmkd
from hpmkd.audit.sweep_dir import open_saved
from hpmkd.cli.main import main
from hpmkd.config.load import read_config_file, validate
from hpmkd.errors import UsageError
from hpmkd.store.result_file import commit, load_weights, verify

MADE = Path(sweeps.__file__).parent / "output_0_1_0"
NETWORKS = sorted(path.name for path in (MADE / "models").glob("*.pt"))
OTHERS = ("choice_Digits.json", "table_teacher_Digits.npy")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MADE, tmp_path / "old"))


def test_its_models_are_loaded_and_verified_from_within(old: Path) -> None:
    assert len(NETWORKS) == 6
    for name in NETWORKS:
        path = old / "models" / name
        saved = torch.load(path)
        path.with_name(f"{name}.json").unlink()  # without its sidecar the file speaks for itself
        assert verify(path).accuracy == saved["accuracy"]
        assert load_weights(path)[1].keys() == saved["model_state_dict"].keys()


def test_its_metadata_cannot_be_changed_unnoticed(old: Path) -> None:
    path = old / "models" / NETWORKS[0]
    saved = torch.load(path)
    saved["metadata"]["epochs"] = 99
    torch.save(saved, path)
    assert not hpmkd.model_checkpoint_exists(path)


@pytest.mark.parametrize("name", [*NETWORKS, *OTHERS])
def test_show_finds_each_file_good(old: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(old / "models" / name)]) == 0
    said = capsys.readouterr()
    assert "damaged" not in said.out + said.err
    assert "stale" not in said.out + said.err


def test_results_have_a_row_per_file_and_whole_costs(old: Path, caplog: pytest.LogCaptureFixture) -> None:
    frame = hpmkd.load_results(old)
    assert sorted(frame["file"]) == sorted([*NETWORKS, *OTHERS])
    assert frame["planned"].all()
    assert (frame["hpmkd"] == "0.1.0").all()
    frame = frame.set_index("file")
    assert frame.loc[NETWORKS, "accuracy_pct"].between(0, 100).all()
    assert frame.loc[list(OTHERS), "accuracy_pct"].isna().all()
    assert list(frame.loc[list(OTHERS), "role"]) == ["search", "logits"]
    # What a student cost includes its search, and the logits cache that is still there.
    student = frame.loc["student_Digits_HPM-KD-noChain-noMultiTeacher_run1.pt"]
    parents = frame.loc[["teacher_Digits.pt", *OTHERS], "train_seconds"]
    assert student["ancestor_seconds"] == pytest.approx(parents.sum())
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "a sweep of hpmkd 0.1" in record.getMessage()


@pytest.mark.parametrize("command", ["status", "verify"])
def test_reading_commands_judge_what_is_there(old: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = sweeps.everything(old)
    main([command, str(old)])
    said = capsys.readouterr()
    assert "damaged" not in said.out
    assert "a sweep of hpmkd 0.1" in said.out + said.err
    assert sweeps.everything(old) == before


@pytest.mark.parametrize("words", [["--restore"], ["-o"], ["-n", "-o"]])
def test_a_sweep_is_refused_with_what_to_do(old: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = sweeps.everything(old)
    assert main(["run", *words, str(old)]) == 4
    said = capsys.readouterr().err
    assert "made by hpmkd 0.1" in said
    assert "--output" in said
    assert "damaged" not in said
    assert sweeps.everything(old) == before


def test_only_what_0_1_wrote_is_taken_for_it(old: Path) -> None:
    assert open_saved(old).config is None
    text = (old / "sweep.yaml").read_text()
    text = text.replace("keep: 3", "reduction_factor: 3").replace("table_gib", "cache_gib")
    (old / "sweep.yaml").write_text(text.replace("logits: table", "logits: cached"))
    assert open_saved(old).config is not None


@pytest.mark.parametrize(
    ("key", "value", "new"),
    [
        ("adaptive.keep", 3, "adaptive.reduction_factor"),
        ("kd.table_gib", 1.0, "kd.cache_gib"),
        ("kd.logits", "table", "cached"),
    ],
)
def test_an_old_key_or_value_is_told_its_new_name(key: str, value: object, new: str) -> None:
    raw = {"datasets": ["Digits"], "baselines": ["Direct"]}
    with pytest.raises(UsageError, match=f"`{new}` since 0.2"):
        validate(raw, "a.yaml", {key: value})


def test_an_old_flag_is_told_its_new_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--adaptive.keep", "3", "-n"]) == 2
    assert "--adaptive.reduction_factor since 0.2" in capsys.readouterr().err


def test_the_file_is_as_0_1_wrote_it() -> None:
    assert read_config_file(MADE / "sweep.yaml")["adaptive"]["keep"] == 3


@pytest.mark.parametrize("name", NETWORKS)
def test_what_the_shared_cache_has_of_0_1_is_whole_when_it_is_written_again(old: Path, name: str) -> None:
    """Its metadata come along when a sweep takes it over, the old name of the content hash among them."""
    header, state = load_weights(old / "models" / name)
    path = old / "models" / "again" / name
    commit(path, state, header.accuracy, header.train_time, {**header.metadata, "recalled": True})
    path.with_name(f"{name}.json").unlink()
    assert verify(path).metadata["recalled"]


def test_a_damaged_search_or_logits_cache_is_found(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in OTHERS:
        sweeps.flip(old / "models" / name)
    assert main(["verify", str(old)]) == 1
    said = capsys.readouterr().out
    assert said.count("damaged") >= 2
    assert all(name in said for name in OTHERS)


@pytest.mark.slow
def test_force_starts_anew_and_leaves_nothing_of_0_1_among_the_models(
    old: Path, cache_dir: Path, small_ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--force", "--baselines", "Direct", "--kd.logits", "cached"]
    assert sweeps.start(old, cache_dir, *words) == 0, capsys.readouterr().err
    names = {path.name for path in (old / "models").iterdir()}
    assert not [name for name in names if name.startswith(("choice_", "table_"))]
    archived = {path.name for path in (old / "archive").iterdir()}
    assert {"choice_Digits.1.json", "table_teacher_Digits.1.npy"} <= archived
    assert sweeps.start(old, cache_dir, "--baselines", "Direct", "--kd.logits", "cached") == 0


def test_a_config_that_cannot_be_read_is_not_taken_for_one_of_0_1(tmp_path: Path) -> None:
    """The same command writes it anew."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sweep.yaml").write_text("a: [1, 2")
    assert main(["run", "-n", "-o", str(tmp_path / "out")]) == 0
