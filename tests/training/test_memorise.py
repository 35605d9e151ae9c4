"""Wrong labels that a model has learnt: counted from its file, kept for its weights alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from support.sweeps import start

from hpmkd.audit.findings import headers
from hpmkd.cli.main import main
from hpmkd.config.load import load as load_config
from hpmkd.data.augment import Normalise
from hpmkd.data.cache import as_json, load, realised
from hpmkd.models import build
from hpmkd.store import memorised_file
from hpmkd.store.memorised_file import Memorised
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import load_weights
from hpmkd.training.remeasure import job_of

KEY = "student_Digits@n200-sym0.4_Direct_run1"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path, small_ray: None) -> OutputDir:
    """A sweep with wrong labels."""
    root = tmp_path_factory.mktemp("wrong") / "out"
    flags = ["--datasets", "Digits", "Digits@n200-sym0.4", "--baselines", "Direct", "--student-epochs", "20", "-q"]
    assert start(root, cache_dir, *flags) == 0
    return OutputDir(root)


def by_hand(output: OutputDir, key: str) -> Memorised:
    """Image by image, with the network and the images alone."""
    header = headers(output)[key]
    job = job_of(header, {})
    splits = load(job.data, as_json(load_config(output.config_file).data))
    network = build(job.model, 0)
    network.load_state_dict(load_weights(output.models / f"{key}.pt")[1])
    network.eval()
    normalise = Normalise(splits.mean, splits.std, torch.device("cpu"))
    assert splits.chosen is not None
    part, counts = splits.chosen[0], [0, 0, 0]
    for place, (true, given) in enumerate(zip(part.true.tolist(), part.given.tolist(), strict=True)):
        if true != given:
            with torch.no_grad():
                found = int(network(normalise(splits.train.rows(torch.tensor([place])))).logits.argmax())
            counts = [counts[0] + 1, counts[1] + (found == given), counts[2] + (found == true)]
    return Memorised(*counts)


@pytest.mark.slow
def test_measure_counts_them(trained: OutputDir, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in trained.models.iterdir()}
    assert main(["measure", str(trained.root), "--json"]) == 0
    rows = {row["file"]: row for row in json.loads(capsys.readouterr().out)["models"]}
    header = headers(trained)[KEY]
    found = memorised_file.read(trained.memorised_file(KEY), header.weights)
    assert found == by_hand(trained, KEY)
    assert found is not None
    assert found.flipped == 80
    assert 0 < found.as_given < found.flipped - found.as_true, "some, and some are taken for a third class"
    assert rows[f"{KEY}.pt"]["memorised_pct"] == pytest.approx(found.given_pct)
    assert rows[f"{KEY}.pt"]["recovered_pct"] == pytest.approx(found.true_pct)
    assert rows["student_Digits_Direct_run1.pt"]["memorised_pct"] is None
    assert {path.name: path.stat().st_mtime_ns for path in trained.models.iterdir()} == before
    kept = trained.memorised_file(KEY).stat().st_mtime_ns
    assert main(["measure", str(trained.root), "--json"]) == 0
    assert trained.memorised_file(KEY).stat().st_mtime_ns == kept, "a second call counts nothing"
    trained.memorised_file(KEY).write_text("{}")
    assert main(["measure", str(trained.root), "--json"]) == 0
    assert memorised_file.read(trained.memorised_file(KEY), header.weights) == found


def test_what_it_was_trained_on_is_in_the_file_and_the_test_images_are_those_of_all(trained: OutputDir) -> None:
    found = headers(trained)
    facts = found[KEY].metadata["training_data"]
    assert (facts["flipped"], facts["noise_rate"], facts["flipped_rate"]) == (80, 0.4, 0.4)
    assert sum(facts["images_per_class"]) == 200
    assert found[KEY].metadata["data_sha256"] == found["student_Digits_Direct_run1"].metadata["data_sha256"]
    noted = json.loads(trained.datasets_file.read_text())
    assert [one["realised"] and one["realised"]["flipped"] for one in noted] == [None, 80]
    from hpmkd.config.specs import spec_from_json

    (spec,) = [spec_from_json(one) for one in noted if one["condition"]]
    config = load_config(trained.config_file).data
    assert realised(spec, config) == spec
    plain, wrong = (load(spec_from_json(one), as_json(config)) for one in noted)
    for one in ("pixels", "labels"):
        assert torch.equal(getattr(plain.test, one), getattr(wrong.test, one))
