"""The documents name commands, flags, files and code that exist."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import yaml
from support.pages import PAGES, ROOT, blocks, commands, inline_code

import hpmkd.models
from hpmkd.analysis.report.tables import difference_table
from hpmkd.cli.main import COMMANDS
from hpmkd.cli.parser import build_parser, parse
from hpmkd.cli.slurm import build_parser as slurm_parser
from hpmkd.config.load import read_config_file, validate
from hpmkd.config.programme import KEY, Programme, is_programme, read_programme
from hpmkd.data.catalog import DATASETS
from hpmkd.data.source.parts import PART_OF
from hpmkd.plan.catalog import BASELINES
from hpmkd.store.output_dir import OutputDir

FLAGS = {flag for action in build_parser("x")._actions for flag in action.option_strings}
OTHERS = {".", "ray", "python3", "sbatch", "sky", "tensorboard", "mlflow", "mkdocs", "pre-commit"}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def check_sweep(words: list[str]) -> None:
    """Flags, mode, keys and values: everything but whether folders exist."""
    request = parse(words, "run_sweep.py")
    if request.mode == "NAME":
        return
    path = ROOT / f"tune_configs/{request.mode or 'quick'}.yaml"
    names = read_programme(path).names if is_programme(path) else [path.stem]
    for name in names:
        validate(read_config_file(path.with_stem(name)), "docs", request.overrides)


def check_hpmkd(words: list[str]) -> None:
    name, *rest = words
    if name == "COMMAND":
        assert rest == ["--help"]
    elif name == "run":
        check_sweep(rest)
    elif not rest:
        assert name in COMMANDS
    elif name == "slurm":
        given, more = slurm_parser("hpmkd slurm").parse_known_args(rest)
        check_sweep(["--mode", given.mode, *more])
    else:
        importlib.import_module(COMMANDS[name].path.partition(":")[0]).build_parser(f"hpmkd {name}").parse_args(rest)


def check_script(words: list[str]) -> None:
    """A benchmark or a script of `docs/`: it exists, and knows each flag itself or hands it to the sweep."""
    text = (ROOT / words[0]).read_text(encoding="utf-8")
    named = {word.partition("=")[0] for word in words[1:] if word.startswith("--") and " " not in word}
    assert {flag for flag in named - FLAGS if f'"{flag}"' not in text} == set()
    for change in (word for word in words[1:] if word.startswith("--") and " " in word):
        check_sweep(change.split())


def check_extras(words: list[str]) -> None:
    known = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    assert {name for word in words for part in re.findall(r"\[(.+)\]", word) for name in part.split(",")} <= known


def check(words: list[str]) -> None:
    """Fails for a command that would not start."""
    if words[:2] == ["python", "run_sweep.py"]:
        check_sweep(words[2:])
    elif words[0] == "hpmkd":
        check_hpmkd(words[1:])
    elif words[:2] == ["pip", "install"]:
        check_extras(words[2:])
    elif words[:3] == ["python", "-m", "pytest"]:
        assert all((ROOT / word).exists() for word in words if word.startswith("tests/"))
    elif words[0] == "python" or words[0].startswith("tests/"):
        check_script(words[words[0] == "python" :])
    elif words[0].startswith(".ci/"):
        assert (ROOT / words[0]).is_file()
    else:
        assert words[0] in OTHERS, words


@each_page
def test_commands_exist(page: Path) -> None:
    for words in commands(page):
        check(words)


def test_there_are_commands() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 80


@each_page
def test_flags_in_the_text_are_flags_of_the_sweep(page: Path) -> None:
    """A flag in backticks is one of the sweep unless it is one of a command or benchmark that the page names."""
    helpers = [*ROOT.glob("hpmkd/cli/*.py"), *ROOT.glob("tests/benchmarks/*.py"), *ROOT.glob("docs/*.py")]
    texts = "".join(path.read_text(encoding="utf-8") for path in helpers)
    for code in inline_code(page):
        if code.startswith("--"):
            flag = code.split()[0].partition("=")[0]
            assert flag in FLAGS or f'"{flag}"' in texts, code
            values = [word for word in code.split()[1:] if word in ("X", "NAME", "DIR", "FOLDER")]
            if flag in FLAGS and " " in code and not values:
                check_sweep(shlex.split(code))


@each_page
def test_files_of_the_repository_exist(page: Path) -> None:
    tests = {path.name for path in (ROOT / "tests").rglob("*.py")}
    for code in inline_code(page):
        if re.fullmatch(r"test_\w+\.py", code):
            assert code in tests, code
        if re.fullmatch(r"(tests|docs|tune_configs|\.ci)/[\w./-]+", code):
            assert (ROOT / code).exists(), code


@each_page
def test_files_of_the_package_exist(page: Path) -> None:
    for code in inline_code(page):
        if re.fullmatch(r"hpmkd/[\w./-]+", code) and "NAME" not in code and code != "hpmkd/methods/logits/logit_mse.py":
            assert (ROOT / code).exists(), code


@each_page
def test_python_is_python(page: Path) -> None:
    for block in blocks(page, "python"):
        ast.parse(block)


@each_page
def test_python_imports_what_is_there(page: Path) -> None:
    for node in (node for block in blocks(page, "python") for node in ast.walk(ast.parse(block))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("hpmkd"):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                assert hasattr(module, alias.name) or importlib.import_module(f"{node.module}.{alias.name}")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "hpmkd":
            assert hasattr(hpmkd, node.attr), node.attr


def test_the_example_of_a_method_works() -> None:
    import torch

    from hpmkd.config.specs import ModelSpec

    (text,) = [block for block in blocks(ROOT / "docs/pages/howto/extend.md", "python") if "Distiller" in block]
    found: dict[str, object] = {}
    exec(text.replace("from __future__ import annotations", ""), found)
    spec = ModelSpec("lenet5", (2, 3, 4), in_channels=1, image_size=28, classes=2)
    method = found["LogitMSE"]({"kd.alpha": 0.75}, spec, (spec,))  # type: ignore[operator]
    output = hpmkd.models.ModelOutput  # type: ignore[attr-defined]
    terms = method.loss(output(torch.zeros(1, 2)), [output(torch.tensor([[1.0, 3.0]]))], torch.tensor([0]), 0.0)
    # alpha * mean of 1 and 9; (1 - alpha) * ln 2
    assert {name: round(float(value), 4) for name, value in terms.items()} == {"mse": 3.75, "ce": 0.1733}


def test_the_example_of_a_network_works(tmp_path: Path) -> None:
    from support.own_networks import ask

    (text,) = blocks(ROOT / "docs/pages/howto/networks.md", "python")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/nets.py").write_text(text)
    for size in ({"in_channels": 1, "image_size": 28}, {"in_channels": 3, "image_size": 32}):
        copy = tmp_path / f"copy{size['image_size']}"
        found = ask(tmp_path / "mine", copy, classes=10, arguments='{"width": 24}', **size)["network"]
        assert (found["taps"], found["head"]) == (["stage1", "stage2"], "head")


@each_page
def test_configs_are_valid(page: Path) -> None:
    for block in blocks(page, "yaml"):
        raw = yaml.safe_load(block)
        if KEY in raw:
            Programme.model_validate(raw)
        else:
            validate(raw, str(page))


def test_methods_and_data_sets_are_all_named() -> None:
    text = (ROOT / "docs/pages/methods.md").read_text(encoding="utf-8")
    table = text.partition("\n## ")[0]
    assert re.findall(r"^\| `([A-Z][\w-]+)` \| .* \|$", table, re.MULTILINE) == list(BASELINES)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in BASELINES)
    tutorial = (ROOT / "docs/pages/tutorial/first-sweep.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in tutorial for name in DATASETS)


def _tutorial(name: str) -> str:
    return " ".join((ROOT / "docs/pages/tutorial" / name).read_text().split())


def test_the_bootstraps_coverage_is_what_the_report_says() -> None:
    (said,) = re.findall(r"in about (\d+) % of cases at 5 runs", _tutorial("report.md"))
    assert f"{said} % at n = 5" in difference_table(pd.DataFrame(columns=["condition", "pair"])).note


def test_the_first_sweep_page_names_what_an_output_has() -> None:
    output = OutputDir(Path("x"))
    paths = [output.config_file, output.datasets_file, output.models, output.progress, output.tensorboard, output.tune]
    page = _tutorial("first-sweep.md")
    assert [path.name for path in [*paths, output.quarantine, output.archive] if path.name not in page] == []


def test_the_names_of_parts_are_documented() -> None:
    page = _tutorial("own-images.md")
    assert [name for name in PART_OF if f"`{name}`" not in page and f"{name}/" not in page] == []
    assert all(f"`{name}`" in page for name in ("file", "label", "class"))
