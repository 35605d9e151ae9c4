"""What networks make of images: the files of a sweep, a planted case, changes, cuts, damage."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from support.builders import make_config, make_jobs
from support.sweeps import flip

import hpmkd
from hpmkd.audit.findings import headers
from hpmkd.audit.represented import unrepresented
from hpmkd.audit.sweep_dir import open_saved
from hpmkd.cli.main import main
from hpmkd.config.load import to_yaml
from hpmkd.config.specs import spec_to_json
from hpmkd.data import cache
from hpmkd.data.source.images import Images
from hpmkd.files import commit_bytes, commit_json
from hpmkd.store import representation_file
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.representation_file import Representation, Scatter
from hpmkd.store.result_file import commit, load_weights
from hpmkd.training import embedding
from hpmkd.training import represent as module
from hpmkd.training.missing_predictions import Outcome
from hpmkd.training.remeasure import job_of, open_model
from hpmkd.training.represent import represent, subset
from hpmkd.training.trial import run_job

TEACHER, DIRECT, KD = "teacher_Digits", "student_Digits_Direct_run1", "student_Digits_TraditionalKD_run1"
LAYERS = ("map 1", "map 2", "embedding", "logits")


@pytest.fixture(autouse=True)
def _flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of the coordinates instead of t-SNE, which takes seconds and has tests of its own (`test_embedding.py`)."""
    monkeypatch.setattr(embedding, "scatter", lambda rows, labels: Scatter(rows[:, :2].astype(float), labels, 1.0))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> OutputDir:
    """A teacher, three students of Direct and one of TraditionalKD, small and of one kind; no answers."""
    network = {"teacher__channels": [4, 6, 16], "student__channels": [4, 6, 16]}
    config = make_config(
        cache_dir,
        baselines=["Direct", "TraditionalKD"],
        runs=3,
        fit__teacher_epochs=1,
        fit__student_epochs=1,
        **network,
    )
    output = OutputDir(tmp_path_factory.mktemp("trained") / "out")
    commit_bytes(output.config_file, to_yaml(config).encode())
    commit_json(output.datasets_file, [spec_to_json(spec) for spec in cache.describe(config)])
    for key, job in make_jobs(config).items():
        if key not in (f"{KD[:-1]}2", f"{KD[:-1]}3"):
            list(run_job(job, output, config.data, torch.device("cpu"), keep_predictions=False))
    return output


@pytest.fixture
def output(trained: OutputDir, tmp_path: Path) -> OutputDir:
    """A copy of it, with what was computed before."""
    if not trained.representations.is_dir():
        assert compute(trained).made
    return OutputDir(Path(shutil.copytree(trained.root, tmp_path / "out")))


def compute(output: OutputDir, tell: Callable[[str, int], None] = lambda key, number: None) -> Outcome:
    found = headers(output)
    config = open_saved(output.root).config
    assert config is not None
    return represent(output, unrepresented(output, found)[0], found, data=config.data, sources={}, tell=tell)


def of(output: OutputDir, key: str) -> Representation:
    found = representation_file.read(output.representation_file(key), headers(output)[key].weights)
    assert found is not None
    return found


def shown(output: OutputDir, key: str) -> tuple[torch.nn.Module, Images, torch.Tensor]:
    """The network, the test images, and these as its input."""
    config = open_saved(output.root).config
    assert config is not None
    job = job_of(headers(output)[key], {})
    model, splits, normalise = open_model(job, output.models / f"{key}.pt", config.data, torch.device("cpu"))
    return model.eval(), splits.test, normalise(splits.test.rows(slice(None)))


def hsic(x: np.ndarray, y: np.ndarray) -> float:
    """Song et al. 2012, equation 5, of the inner products of rows."""
    k, l = x @ x.T, y @ y.T  # noqa: E741
    n, one = len(k), np.ones(len(k))
    np.fill_diagonal(k, 0)
    np.fill_diagonal(l, 0)
    sums = (k * l).sum() + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * one @ k @ l @ one
    return float(sums)


def test_who_is_compared_with_whom(output: OutputDir) -> None:
    """All with the teacher; those of Direct with the next seed as well; drawn are the teacher and first students."""
    assert dict(of(output, TEACHER).others) == {}
    for run, following in ((1, 2), (2, 3), (3, 1)):
        found = of(output, f"student_Digits_Direct_run{run}")
        assert list(found.others) == [TEACHER, f"student_Digits_Direct_run{following}"]
        assert (found.scatter is not None) == (run == 1)
    assert list(of(output, KD).others) == [TEACHER]
    assert all(of(output, key).scatter is not None for key in (TEACHER, KD))
    assert of(output, KD).layers == of(output, KD).others[TEACHER].layers == LAYERS


def test_every_number_is_that_of_the_networks(output: OutputDir) -> None:
    """CKA of each pair of layers by another formula, from the networks themselves."""
    layers = {}
    for key in (KD, TEACHER):
        model, _, batch = shown(output, key)
        with torch.no_grad():
            out = model(batch, features=True, embedding=True)
        layers[key] = [one.flatten(1).double().numpy() for one in (*out.features, out.embedding, out.logits)]
    found = of(output, KD).others[TEACHER].cka
    for i, own in enumerate(layers[KD]):
        for j, other in enumerate(layers[TEACHER]):
            expected = hsic(own, other) / np.sqrt(hsic(own, own) * hsic(other, other))
            assert found[i, j] == pytest.approx(expected, abs=2e-4)
    frame = hpmkd.load_results(output.root).set_index("file")
    row = frame.loc[f"{KD}.pt"]
    assert (row["cka_embedding"], row["cka_logits"]) == (found[2, 2], found[3, 3])
    assert row["silhouette"] == of(output, KD).silhouette
    assert row["knn_pct"] > 0
    assert row["probe_pct"] > 0
    assert np.isnan(frame.loc[f"{TEACHER}.pt", "cka_embedding"])
    assert frame.loc[f"{TEACHER}.pt", "silhouette"] == of(output, TEACHER).silhouette


def test_a_rotated_teacher_is_the_same_and_random_features_are_not(output: OutputDir) -> None:
    """Planted: the student's units are the teacher's in another order and of another size. (ReLU keeps no rotation
    but that.) Then a student whose embedding knows nothing of the image."""
    header, state = load_weights(output.models / f"{KD}.pt")
    _, teacher = load_weights(output.models / f"{TEACHER}.pt")
    turn = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    turned = {**teacher, "fc1.weight": 3 * teacher["fc1.weight"][turn], "fc1.bias": 3 * teacher["fc1.bias"][turn]}
    turned["fc2.weight"] = teacher["fc2.weight"][:, turn] / 3
    commit(output.models / f"{KD}.pt", turned, header.accuracy, 1.0, header.metadata)
    compute(output)
    np.testing.assert_allclose(of(output, KD).others[TEACHER].cka.diagonal(), 1, atol=1e-5)
    assert of(output, KD).silhouette == pytest.approx(of(output, TEACHER).silhouette, abs=1e-5)
    state["fc1.weight"].zero_()
    state["fc1.bias"].fill_(1.0)
    commit(output.models / f"{KD}.pt", state, header.accuracy, 1.0, header.metadata)
    compute(output)
    found = of(output, KD)
    assert np.isnan(found.others[TEACHER].cka[2:]).all(), "the same for all images"
    assert (found.others[TEACHER].cka[:2] > 0.2).all()
    assert found.probe_pct < 20


def test_a_second_call_has_nothing_to_do(output: OutputDir) -> None:
    assert unrepresented(output, headers(output)) == ({}, [])
    assert compute(output).made == []


@pytest.mark.parametrize(
    ("key", "again"),
    [
        (TEACHER, {TEACHER, KD, *(f"student_Digits_Direct_run{run}" for run in (1, 2, 3))}),
        (KD, {KD}),
        (DIRECT, {DIRECT, "student_Digits_Direct_run3"}),
    ],
)
def test_changed_weights_are_looked_at_again(output: OutputDir, key: str, again: set[str]) -> None:
    """The network's, and those of all that are compared with it; until then its numbers are not shown."""
    before = of(output, KD)
    header, state = load_weights(output.models / f"{key}.pt")
    state["conv1.weight"] += torch.randn(state["conv1.weight"].shape, generator=torch.Generator().manual_seed(0))
    commit(output.models / f"{key}.pt", state, header.accuracy, 1.0, header.metadata)
    frame = hpmkd.load_results(output.root).set_index("file")
    assert np.isnan(frame.loc[f"{key}.pt", "silhouette"])
    assert np.isnan(frame.loc[f"{KD}.pt", "cka_embedding"]) == (key != DIRECT)
    assert set(compute(output).made) == again
    same = np.array_equal(of(output, KD).others[TEACHER].cka, before.others[TEACHER].cka)
    assert same == (key == DIRECT)


def test_cut_off_it_goes_on_with_the_next(output: OutputDir) -> None:
    for path in output.representations.glob("*.json"):
        path.unlink()

    def cut(key: str, number: int) -> None:
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compute(output, cut)
    done = {path.stem: path.read_bytes() for path in output.representations.glob("*.json")}
    assert len(done) == 2
    assert len(compute(output).made) == 3
    assert all(output.representation_file(key).read_bytes() == data for key, data in done.items())


@pytest.mark.slow
def test_killed_it_goes_on(output: OutputDir) -> None:
    """kill -9 in the middle of the command; whatever is there is whole, and is not made again."""
    for path in output.representations.glob("*.json"):
        path.unlink()
    command = [sys.executable, "-m", "hpmkd", "measure", str(output.root), "--representations"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    until = time.monotonic() + 300
    while not [*output.representations.glob("*.json")] and time.monotonic() < until and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = {path.stem: path.read_bytes() for path in output.representations.glob("*.json")}
    assert done
    missing, damaged = unrepresented(output, headers(output))
    assert damaged == []
    assert set(missing) == {path.stem for path in output.models.glob("*.pt")} - set(done)
    assert set(compute(output).made) == set(missing)
    assert all(output.representation_file(key).read_bytes() == data for key, data in done.items())


@pytest.mark.parametrize("how", ["bit", "cut", "empty", "other", "number"])
def test_damage_is_told_and_made_again(output: OutputDir, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    path, before = output.representation_file(KD), of(output, KD)
    if how == "bit":
        flip(path)
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "other":
        path.write_text("[1, 2]")
    else:
        path.write_text(json.dumps({**json.loads(path.read_text()), "silhouette": 0.9}))
    assert np.isnan(hpmkd.load_results(output.root).set_index("file").loc[f"{KD}.pt", "silhouette"])
    capsys.readouterr()
    assert main(["measure", str(output.root), "--representations", "--json"]) == 0
    printed = capsys.readouterr()
    assert f"{path}: damaged; it is made again" in printed.err
    said = json.loads(printed.out)
    assert said["represented_now"] == [KD]
    after = of(output, KD)
    assert after.silhouette == before.silhouette
    np.testing.assert_array_equal(after.others[TEACHER].cka, before.others[TEACHER].cka)
    frame = pd.read_parquet(output.root / "results.parquet").set_index("file")
    assert frame.loc[f"{KD}.pt", "cka_logits"] == after.others[TEACHER].cka[3, 3]


def test_without_the_flag_nothing_is_computed(output: OutputDir, capsys: pytest.CaptureFixture[str]) -> None:
    output.representation_file(KD).unlink()
    assert main(["measure", str(output.root), "--json"]) == 0
    assert not output.representation_file(KD).exists()
    assert "represented_now" not in json.loads(capsys.readouterr().out)


def test_images_that_are_gone_are_told(
    output: OutputDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hpmkd.errors import EnvironmentProblem

    def gone(*_: object) -> None:
        raise EnvironmentProblem("x", expected="images", found="none", todo="bring them")

    output.representation_file(KD).unlink()
    monkeypatch.setattr(module, "open_model", gone)
    assert main(["measure", str(output.root), "--representations", "--json"]) == 3
    *others, problem = json.loads(capsys.readouterr().out)["problems"]
    assert all("not there" in one for one in others), "planned models that this output never had"
    assert problem.startswith(f"1 model of Digits not measured ({KD})")


def test_subsets_lie_inside_one_another() -> None:
    images = Images(torch.arange(1000).view(-1, 1, 1, 1), torch.arange(1000))
    few, more, other = (subset(images, most, seed) for most, seed in ((10, "a"), (30, "a"), (10, "b")))
    assert few.labels.tolist() == more.labels[:10].tolist() != other.labels.tolist()
    assert few.labels.tolist() != list(range(10))
    assert len(set(more.labels.tolist())) == 30
    assert subset(images, 1000, "a") is images


def test_nothing_of_it_is_in_a_fingerprint() -> None:
    plain, with_it = (make_jobs(make_config(record__representations=on)) for on in (False, True))
    assert {job.fingerprint for job in plain.values()} == {job.fingerprint for job in with_it.values()}


def test_the_bank_holds_training_images_alone(output: OutputDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """Test images are in none of the parts that teach or choose."""
    seen: dict[str, int] = {}
    config = open_saved(output.root).config
    assert config is not None
    splits = cache.load(job_of(headers(output)[KD], {}).data, cache.as_json(config.data))
    parts = {name: set(_rows(getattr(splits, name))) for name in ("train", "validation", "test")}
    used: list[set[bytes]] = []

    def watched(bank: object, validation: object, test: object) -> tuple[float, float]:
        seen.update(bank=len(bank[1]), validation=len(validation[1]), test=len(test[1]))  # type: ignore[index]
        return 1.0, 1.0

    inner = module.activations.embedding

    def noted(model: torch.nn.Module, images: Images, *more: object) -> np.ndarray:
        used.append(set(_rows(images)))
        return inner(model, images, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(module.embedding, "probe", watched)
    monkeypatch.setattr(module.activations, "embedding", noted)
    output.representation_file(KD).unlink()
    compute(output)
    compared, bank, validation, test = used
    assert compared == test == parts["test"]
    assert bank == parts["train"]
    assert validation == parts["validation"]
    assert seen == {name: of(output, KD).images[name] for name in ("bank", "validation", "test")}


def _rows(images: Images) -> list[bytes]:
    return [one.numpy().tobytes() for one in images.rows(slice(None))]
