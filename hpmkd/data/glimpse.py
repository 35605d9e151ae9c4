"""What the program has seen of a data set that it then refuses: printed before the error. No torch."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from hpmkd.data.source.inventory import Inventory
from hpmkd.data.source.listing import count, named, shown
from hpmkd.data.source.tree import File, Folder, Tree
from hpmkd.errors import HpmkdError
from hpmkd.log import log

_FOLDERS, _NAMES, _SUFFIXES = 8, 6, 5  # how many of them are named


@contextlib.contextmanager
def told_on_refusal() -> Iterator[list[Tree | Inventory]]:
    """Logs what was seen, if the body refuses the data set: the last entry of the list that the body fills."""
    seen: list[Tree | Inventory] = []
    try:
        yield seen
    except HpmkdError:
        if seen and (text := seen_so_far(seen[-1])):
            log.info(text)
        raise


def seen_so_far(seen: Tree | Inventory) -> str:
    """A few lines for people: parts, classes and labels as far as they are known, else folders and files; empty where
    there are none."""
    tree = seen.tree if isinstance(seen, Inventory) else seen
    lines = _of_inventory(seen) if isinstance(seen, Inventory) else [*_of_tree(tree), *tree.counted]
    lines += [f"not used: {count(len(paths), 'file')} {why}, such as {paths[0]}" for why, paths in _aside(tree)]
    if not lines:
        return ""
    layout = f" ({seen.layout})" if isinstance(seen, Inventory) else ""
    return "\n  ".join(shown(line) for line in [f"{tree.source}{layout}: seen so far:", *lines])


def _aside(tree: Tree) -> list[tuple[str, list[str]]]:
    return sorted((why, paths) for why, paths in tree.ignored.items() if paths)


def _of_inventory(inventory: Inventory) -> list[str]:
    census = inventory.census()
    lines = []
    for name, about in census["parts"].items():
        classes = {str(one["name"]): one[name] for one in census["classes"]}
        where = f" in {count(about['files'], 'file')} of {about['found_as']}"
        lines.append(f"{name}: {count(about['images'], 'image')}{where}: {_numbers(classes)}")
    return lines


def _numbers(counted: Mapping[str, int]) -> str:
    return (
        f"{count(len(counted), 'class', 'classes')}: {named((f'{n} {many:,}' for n, many in counted.items()), _NAMES)}"
    )


def _of_tree(tree: Tree) -> list[str]:
    top = tree.top
    while len(top.folders) == 1 and not top.files:
        (top,) = top.folders.values()
    lines = [_of_folder(folder) for _, folder in sorted(top.folders.items())]
    if len(lines) > _FOLDERS:
        rest = [folder for _, folder in sorted(top.folders.items())][_FOLDERS:]
        files = [file for folder in rest for file in folder.every_file()]
        lines[_FOLDERS:] = [f"{count(len(rest), 'more folder')}: {_files(files)}"]
    if top.files:
        lines.append(f"{_files(list(top.files.values()))}: {named(sorted(top.files), _NAMES)}")
    return lines


def _of_folder(folder: Folder) -> str:
    inside = f" in {count(len(folder.folders), 'folder')} ({named(sorted(folder.folders), _NAMES)})"
    return f"{folder.path}/: {_files(list(folder.every_file()))}{inside if folder.folders else ''}"


def _files(files: Sequence[File]) -> str:
    suffixes = Counter(file.suffix or "no suffix" for file in files)
    kinds = named((f"{suffix} {number:,}" for suffix, number in suffixes.most_common()), _SUFFIXES)
    return count(len(files), "file") + (f" ({kinds})" if files else "")
