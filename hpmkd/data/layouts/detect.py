"""Which layout a data set has; the one place from which inventories come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hpmkd.config.sweep import DataConfig
from hpmkd.data.inventory import Inventory
from hpmkd.data.layouts import archive, arrays, csv_list, image_folder, saved, tables
from hpmkd.data.layouts.parts import part_of
from hpmkd.data.listing import count, listed, named
from hpmkd.data.suffixes import TABLES, is_image
from hpmkd.data.tree import Folder, Tree, folder_tree, local_file
from hpmkd.errors import EnvironmentProblem

LAYOUT = (
    "train/<class>/ and test/<class>/ with images (or an archive of them), Parquet files (train.parquet and "
    "test.parquet, or shards as on the Hugging Face hub), folders of datasets.save_to_disk, .npz arrays, or train.csv "
    "and test.csv that list (file, label)"
)
_MAX_NESTING = 2


class _Layout(NamedTuple):
    name: str
    fits: Callable[[Tree, Folder], bool]
    take: Callable[[Tree, Folder, DataConfig], Inventory]


_LAYOUTS = [
    _Layout(module.NAME, module.fits, module.take) for module in (image_folder, tables, saved, arrays, csv_list)
]


def take_inventory(source: Path, config: DataConfig) -> Inventory:
    """The inventory of a folder, an archive or an .npz file.

    Raises:
        EnvironmentProblem: no layout, more than one, or a data set that cannot be used as it is.
    """
    if source.is_dir():
        tree = folder_tree(_revision(source))
    elif archive.is_archive(source):
        tree = archive.archive_tree(source)
    else:
        tree = Tree(source, Folder("", str(source.parent)))
        if source.exists():
            tree.top.files[source.name] = local_file(source, source.name)
    found = _fitting(tree, tree.top)
    if not found:
        raise _no_data_set(tree)
    if len(found) > 1:
        raise EnvironmentProblem(
            f"{source}: more than one data set",
            expected="one",
            found=listed(f"{base.place}: {layout.name}" for layout, base in found),
            todo=f"name one of these folders, for example my-images={found[0][1].place}"
            if len({base.path for _, base in found}) > 1
            else "move the other one away",
        )
    layout, base = found[0]
    return layout.take(tree, base, config)


def _fitting(tree: Tree, folder: Folder, depth: int = 0) -> list[tuple[_Layout, Folder]]:
    """Every layout that fits here, or in folders inside; parts of one that fits are not looked into."""
    found = [(layout, folder) for layout in _LAYOUTS if layout.fits(tree, folder)]
    inside = [inner for name, inner in sorted(folder.folders.items()) if not (found and part_of(name))]
    if depth < _MAX_NESTING:
        found += [one for inner in inside for one in _fitting(tree, inner, depth + 1)]
    return found


def _revision(source: Path) -> Path:
    """The folder of a revision where `source` is a data set in the hub's cache (`snapshots/<revision>/`)."""
    snapshots = source / "snapshots"
    if not snapshots.is_dir():
        return source
    revisions = sorted(path.name for path in snapshots.iterdir() if path.is_dir())
    main = source / "refs" / "main"
    named_main = main.read_text(errors="replace").strip() if main.is_file() else ""
    if named_main in revisions:
        return snapshots / named_main
    if len(revisions) == 1:
        return snapshots / revisions[0]
    raise EnvironmentProblem(
        f"{snapshots}: {count(len(revisions), 'revision')}, and refs/main names none of them",
        expected="the folder of one revision",
        found=named(revisions) or "none",
        todo=f"name one, for example my-images={snapshots / (revisions or ['REVISION'])[0]}",
    )


def _no_data_set(tree: Tree) -> EnvironmentProblem:
    top = tree.top
    names = [*(f"{name}/" for name in sorted(top.folders)), *sorted(top.files)]
    found, todo = named(names) or "an empty or missing folder", "correct the path or the layout"
    loose = {name: folder for name, folder in top.folders.items() if part_of(name)}
    flat = [name for name, folder in loose.items() if any(map(is_image, folder.files.values()))]
    empty = [name for name, folder in loose.items() if not any(True for _ in folder.every_file())]
    classes = [name for name, folder in top.folders.items() if any(map(is_image, folder.every_file()))]
    if archive.is_archive(tree.source) and any(file.suffix in TABLES for file in top.every_file()):
        todo = "unpack it, and name the folder: only class folders are read from archives"
    elif flat:
        found += f"; images outside of class folders in {named(flat)}"
        todo = "sort them into class folders, or list them with their labels in train.csv and test.csv"
    elif empty:
        found += f"; no files in {named(empty)}"
    elif loose or classes:
        found += f"; images in {named(classes) or 'no folder'}, but no training part"
        todo = "make the folders train and test, each with a folder per class"
    return EnvironmentProblem(f"{tree.source}: not a data set", expected=LAYOUT, found=found, todo=todo)
