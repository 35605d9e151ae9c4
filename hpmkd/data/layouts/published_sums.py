"""The MD5 sums of the published CIFAR archives and files, and what is said of those that are there. No torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from hpmkd.data.source.listing import named
from hpmkd.data.source.tree import File

# cs.toronto.edu/~kriz/cifar.html
ARCHIVES = {
    "CIFAR-10 (Python version)": "c58f30108f718f92721af3b95e74349a",
    "CIFAR-10 (binary version)": "c32a1d4ab5d03f1284b67883e8d87530",
    "CIFAR-100 (Python version)": "eb9058c3a382ffc7106e4002c42a8d85",
    "CIFAR-100 (binary version)": "03b5dce01913d631647c71ecec9e9cb8",
}
# Of what they unpack to, as torchvision has them; of the binary versions none are published.
FILES = {
    "CIFAR-10 (Python version)": {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
    "CIFAR-100 (Python version)": {
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "7973b15100ade9c7d40fb424638fde48",
    },
}


def said_of_sums(source: Path, version: str, files: Mapping[str, File]) -> str:
    """Whether these are the published images, as far as sums tell: a sentence, a warning where they are others.

    An archive that was packed anew has another sum, though its files may be the published ones.

    Args:
        source: the archive, or a folder.
        version: which one it seems to be.
        files: that are read of it, by name.
    """
    found = _md5_of(source) if source.is_file() else ""
    if found == ARCHIVES[version]:
        return f"the MD5 sum is that of the published archive of {version}"
    wanted = FILES.get(version, {})
    differing = [name for name, file in files.items() if name in wanted and _md5(file) != wanted[name]]
    if wanted and not differing:
        return f"all {len(wanted)} files have the MD5 sums of the published {version}"
    if wanted:
        return f"warning: not the published {version}: other MD5 sums of {named(differing)}"
    if found:
        return f"warning: not the published archive of {version}: its MD5 sum is {found}, not {ARCHIVES[version]}"
    return f"no sums of the unpacked files of {version} are published: name the archive to have it checked"


def _md5(file: File) -> str:
    try:
        return hashlib.md5(file.read(), usedforsecurity=False).hexdigest()
    except OSError as error:
        return str(error)


def _md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
