"""Which layout a data set has; the one place from which inventories come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hpmkd.config.sweep import DataConfig
from hpmkd.data.layouts import archive, arrays, cifar_files, csv_list, image_folder, saved, tables
from hpmkd.data.layouts.advice import no_data_set
from hpmkd.data.source.inventory import Inventory
from hpmkd.data.source.listing import count, listed, named
from hpmkd.data.source.parts import part_of, piece_of
from hpmkd.data.source.regular import NOT_REGULAR, what_else
from hpmkd.data.source.suffixes import TABLES, is_image
from hpmkd.data.source.tree import Folder, Tree, folder_tree, local_file
from hpmkd.errors import EnvironmentProblem

_MAX_NESTING = 2


class _Layout(NamedTuple):
    name: str
    fits: Callable[[Tree, Folder], bool]
    take: Callable[[Tree, Folder, DataConfig], Inventory]


_LAYOUTS = [
    _Layout(module.NAME, module.fits, module.take)
    for module in (image_folder, tables, saved, arrays, csv_list, cifar_files)
]


def take_inventory(source: Path, config: DataConfig) -> Inventory:
    """The inventory of a folder, an archive or an .npz file; raises what `tree_of` and `inventory_in` raise."""
    return inventory_in(tree_of(source), config)


def tree_of(source: Path) -> Tree:
    """The files below a folder, in an archive, or a file by itself.

    Raises:
        EnvironmentProblem: folders that cannot be listed, a damaged archive, endless links.
    """
    if source.is_dir():
        return folder_tree(_revision(source))
    if archive.is_archive(source):
        return archive.archive_tree(source)
    tree = Tree(source, Folder("", str(source.parent)))
    if what_else(source):
        tree.ignore(NOT_REGULAR, source.name)
    elif source.exists():
        tree.top.files[source.name] = local_file(source, source.name)
    return tree


def inventory_in(tree: Tree, config: DataConfig) -> Inventory:
    """The inventory of the one data set among these files.

    Raises:
        EnvironmentProblem: no layout, more than one, or a data set that cannot be used as it is.
    """
    found = _apart(tree, _fitting(tree, tree.top))
    if not found:
        raise no_data_set(tree)
    if len(found) > 1:
        raise EnvironmentProblem(
            f"{tree.source}: more than one data set",
            expected="one",
            found=listed(f"{base.place}: {layout.name}" for layout, base in found),
            todo=_name_one(tree, [base for _, base in found]),
        )
    layout, base = found[0]
    return layout.take(tree, base, config)


def _name_one(tree: Tree, bases: list[Folder]) -> str:
    """Which folder to name; the one that was named is no help, and what lies in an archive has no path to name."""
    inside = [base for base in bases if base.path]
    if not inside or len({base.path for base in bases}) == 1:
        return "move the other one away"
    if archive.is_archive(tree.source):
        return f"unpack it, and name one of its folders: {named(base.path or 'the one at its top' for base in bases)}"
    advice = f"name one of these folders, for example my-images={inside[0].place}"
    return advice if len(inside) == len(bases) else f"{advice}; to use {tree.top.place} itself, move the others away"


def _apart(tree: Tree, found: list[tuple[_Layout, Folder]]) -> list[tuple[_Layout, Folder]]:
    """Without those that are only where the links of another lead: their images are used by another name."""
    kept = list(found)
    for one in found if len(found) > 1 else []:
        others = [base for _, base in kept if base is not one[1]]
        reached = {file.real for base in others for file in base.every_file() if file.real}
        own = [file for file in one[1].every_file() if is_image(file) or file.suffix in TABLES]
        if reached and own and all((file.real or tree.real(file.path)) in reached for file in own):
            kept.remove(one)
    return kept


def _fitting(tree: Tree, folder: Folder, depth: int = 0) -> list[tuple[_Layout, Folder]]:
    """Every layout that fits here, or in folders inside; parts of one that fits are not looked into."""
    found = [(layout, folder) for layout in _LAYOUTS if layout.fits(tree, folder)]
    inside = [
        inner for name, inner in sorted(folder.folders.items()) if not (found and (part_of(name) or piece_of(name)))
    ]
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
