"""The floors of the design: a module imports from its own floor's packages or from below, never from above."""

from __future__ import annotations

import ast
import functools
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hpmkd

PACKAGE = Path(hpmkd.__file__).parent
# Bottom to top. Rooms on one floor do not know each other.
FLOORS = [
    {"errors", "log", "timings", "hardware", "numeric", "text_table", "version", "child_process"},
    {"config", "files"},
    {"own_code"},
    {"plan", "data", "models"},
    {"methods", "store", "monitor"},
    {"training", "audit", "bench", "cluster", "mirror"},
    {"sweep", "analysis"},
    {"programme"},
    {"cli"},
    {"__main__"},
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def unit(path: Path) -> str:
    """The module or sub-package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@functools.cache
def nodes(path: Path) -> list[ast.AST]:
    """Everything in a file, parsed once."""
    return list(ast.walk(ast.parse(path.read_text())))


@pytest.fixture(scope="module", autouse=True)
def _forgotten() -> Iterator[None]:
    """The trees are millions of objects, through which the garbage collector would look from then on."""
    yield
    nodes.cache_clear()


@functools.cache
def imported(path: Path) -> frozenset[str]:
    """Full names of everything that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    own = unit(path)
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "hpmkd" and parts[1] != own:
            assert FLOOR[parts[1]] < FLOOR[own], f"{own} (floor {FLOOR[own]}) imports {name}"


def test_no_packages_import_each_other() -> None:
    """Not inside a unit either: `data.layouts` stands on `data.source`. `CycleError` names the circle."""

    def package(name: str) -> str:
        while not (PACKAGE.parent / name.replace(".", "/")).is_dir():
            name = name.rpartition(".")[0]
        return name

    arrows: dict[str, set[str]] = {}
    for path in FILES:
        own = ".".join(path.relative_to(PACKAGE.parent).parent.parts)
        others = {package(name) for name in imported(path) if name.startswith("hpmkd.")} - {own, "hpmkd"}
        arrows.setdefault(own, set()).update(others)
    arrows.pop("hpmkd")  # the public face and the first floor, see above
    graphlib.TopologicalSorter(arrows).prepare()


def test_no_modules_import_each_other() -> None:
    """Not for their types either. `CycleError` names the circle."""
    names = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in FILES}
    arrows = {}
    for name, path in names.items():
        found = {one if one in names else one.rpartition(".")[0] for one in imported(path)}
        arrows[name] = found & names.keys() - {name}
    graphlib.TopologicalSorter(arrows).prepare()


def test_every_unit_has_a_floor() -> None:
    assert {unit(path) for path in FILES} == set(FLOOR)


def test_only_cluster_and_sweep_import_ray() -> None:
    users = {unit(path) for path in FILES if any(name.split(".")[0] == "ray" for name in imported(path))}
    assert users == {"cluster", "sweep"}


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import hpmkd", ["torch", "ray", "pandas"]),
        ("from hpmkd.cli.parser import build_parser; build_parser('x').format_help()", ["torch", "ray", "pandas"]),
        ("import hpmkd.cli.run, hpmkd.audit.findings", ["torch", "ray"]),
        ("import hpmkd.cli.run", ["pyarrow", "fsspec", "tenacity"]),
        ("import hpmkd.cli.status", ["torch", "ray", "pandas", "scipy"]),
        ("import hpmkd.cli.verify", ["torch", "ray", "pandas"]),
        ("import hpmkd.audit.results, hpmkd.analysis.stats", ["torch", "ray", "matplotlib"]),
        # The training core needs torch alone: benchmarks run where nothing else is.
        (
            "import hpmkd.training.train, hpmkd.training.logits_cache, hpmkd.methods.build",
            ["pydantic", "ray", "pandas", "filelock", "yaml"],
        ),
    ],
)
def test_quick_paths_stay_light(code: str, unwanted: list[str]) -> None:
    """Heavy libraries cost seconds; --help, the dry run and what reads files only must not load them."""
    check = f"{code}\nimport sys\nprint([name for name in {unwanted} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_files_stay_small() -> None:
    long = {str(path): len(path.read_text().splitlines()) for path in FILES}
    assert {path: lines for path, lines in long.items() if lines > 250} == {}


def functions() -> dict[str, ast.FunctionDef]:
    return {
        f"{path.relative_to(PACKAGE)}:{node.name}": node
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef)
    }


def test_functions_stay_small() -> None:
    lines = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions().items()}
    assert {name: count for name, count in lines.items() if count > 40} == {}


def test_calls_with_many_arguments_name_them() -> None:
    """More than four by position cannot be read; of foreign functions (`nn.Conv2d`) that is their authors' choice."""
    own = {node.name for node in functions().values()} | {
        node.name for path in FILES for node in nodes(path) if isinstance(node, ast.ClassDef)
    }
    unnamed = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {ast.unparse(node.func)}"
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.Call) and len(node.args) > 4 and ast.unparse(node.func).removeprefix("self.") in own
    ]
    assert [name.split()[1] for name in unnamed] == ["self._pass"], "but for the hooks of Tune's loggers"


def test_tests_share_only_what_lies_in_support() -> None:
    """No test module imports another, and none changes where Python looks for modules."""
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        assert not {name for name in imported(path) if name.split(".")[0].startswith("test_")}, path
        assert path == Path(__file__) or "sys.path.insert" not in path.read_text(), path


def test_tests_mirror_the_source() -> None:
    """`tests/<room>/` for each room that is a folder, and what concerns the whole."""
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    folders = {path.name for path in Path(__file__).parent.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - rooms == {"benchmarks", "docs", "end_to_end", "faults", "support"}
    assert rooms <= folders
