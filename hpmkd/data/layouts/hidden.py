"""Hidden files that a user may have meant as data: class folders and images whose names begin with a dot. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from hpmkd.data.source.listing import count, named
from hpmkd.data.source.suffixes import image_suffixes
from hpmkd.data.source.tree import SYSTEM, Tree

# What programs make in folders of images: thumbnails, copies, what was deleted.
_OF_PROGRAMS = (
    *(
        ".ipynb_checkpoints",
        ".thumbnails",
        ".thumb",
        ".@__thumb",
        ".cache",
        ".git",
        ".appledouble",
        ".trash",
        ".trashes",
    ),
    *(".spotlight-v100", ".fseventsd", ".picasaoriginals", ".idea", ".vscode"),
)


def hidden_images(tree: Tree, parts: Sequence[str]) -> list[str]:
    """A sentence on class folders, and one on images in class folders, that are not read because they are hidden.

    Args:
        tree: what was set aside.
        parts: the paths of the parts that are used, below the root.
    """
    folders: dict[str, int] = {}
    images: list[str] = []
    for path in tree.ignored.get("hidden", []):
        part = next((part for part in parts if path.startswith(f"{part}/")), None)
        if part is None or not path.lower().endswith(tuple(image_suffixes())):
            continue
        above, name = path[len(part) + 1 :].split("/")[:-1], path.rpartition("/")[2]
        inside = [place for place, folder in enumerate(above) if _may_be_meant(folder)]
        if any(map(_is_of_a_program, above)) or name.startswith("._"):
            continue
        if inside:
            folder = "/".join([part, *above[: inside[0] + 1]])
            folders[folder] = folders.get(folder, 0) + 1
        elif above and name.startswith("."):
            images.append(path)
    said = []
    if folders:
        what = f"{count(sum(folders.values()), 'image')} in {named(folders, 4)}"
        said.append(
            f"warning: not used: {what}: folders whose names begin with a dot are hidden; rename them if they are "
            "classes"
        )
    if images:
        what = f"{count(len(images), 'image')} such as {sorted(images)[0]}"
        said.append(
            f"warning: not used: {what}: files whose names begin with a dot are hidden; rename them if they are wanted"
        )
    return said


def _may_be_meant(folder: str) -> bool:
    return folder.startswith(".") and not _is_of_a_program(folder)


def _is_of_a_program(folder: str) -> bool:
    return folder.lower() in _OF_PROGRAMS or folder.lower().startswith((".trash-", "._")) or folder in SYSTEM
