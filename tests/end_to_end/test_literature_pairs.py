"""The thirteen pairs that the literature compares: planned, trained, continued and exported, on a handful of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.builders import make_spec
from support.sweeps import restore, stamps, start, weights

from hpmkd.cli.main import main
from hpmkd.config.load import load
from hpmkd.config.modes import config_file
from hpmkd.plan.catalog import BASELINES, baselines_of
from hpmkd.plan.pairs import resolved_pairs
from hpmkd.plan.planner import expand
from hpmkd.plan.roles import Role

# All that the papers' protocol allows: what chooses on validation images is refused. Not those with assistants, or with
# further teachers, which are more networks to train.
METHODS = [name for name in BASELINES if name not in ("HPM-KD", "KD-Budget", "TAKD", "BAN", "KD-Ensemble")]
TEACHERS = {"resnet56", "resnet110", "resnet32x4", "wrn-40-2", "vgg13", "resnet50"}


def test_they_share_their_teachers() -> None:
    config = load(config_file("cifar100"))
    data = make_spec(name="CIFAR100", channels=3, image_size=32, classes=100, augment="crop_flip")
    assert len(resolved_pairs(config, data, {})) == 13
    jobs = expand(config, [data], baselines_of(config))
    teachers = {job.network for job in jobs if job.role is Role.TEACHER}
    assert teachers == TEACHERS
    students = [job for job in jobs if job.role is Role.STUDENT]
    assert len(students) == 13 * config.runs * len(config.baselines)
    assert len({job.seed for job in students}) == config.runs, "runs are paired over pairs and baselines"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0)
    for part, count in (("train", 10), ("test", 2)):
        for name in "abcd":
            folder = tmp_path / "few" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(noise.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "few"


@pytest.mark.slow
def test_all_of_them_train_continue_and_export(images: Path, tmp_path: Path, small_ray: None) -> None:
    out = tmp_path / "out"
    given = ["--mode", "cifar100", "--datasets", str(images), "--max-concurrent", "2", "--train-images", "null"]
    given += ["--teacher-epochs", "1", "--student-epochs", "1", "--runs", "1", "--baselines", *METHODS]
    assert start(out, tmp_path / "cache", *given) == 0
    before, times = weights(out), stamps(out)
    assert {name for name in before if name.startswith("teacher")} == {f"teacher_few+{one}.pt" for one in TEACHERS}
    assert len([name for name in before if name.startswith("student")]) == 13 * len(METHODS)
    lost = [name for name in before if name.endswith("_CRD_run1.pt")][::3]
    for name in lost:
        (out / "models" / name).unlink()
    assert restore(out) == 0
    assert weights(out) == before
    assert {name for name, time in stamps(out).items() if time != times[name]} == set(lost)
    for name in [name for name in before if "Direct" in name or name.startswith("teacher")]:
        for kind in ("pt2", "onnx"):
            assert main(["export", str(out / "models" / name), "--to", kind]) == 0, (name, kind)
    assert main(["report", str(out)]) == 0
