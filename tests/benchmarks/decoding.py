"""How long do a data set's images take to be decoded, alone and with helpers on all cores?

    python tests/benchmarks/decoding.py                             # made-up JPEGs: 20,000 of 32x32, 1,000 of 500x375
    python tests/benchmarks/decoding.py --data FOLDER --rounds 5    # one's own

Each round decodes the images alone and with helpers, in turns; the time is that from the first image to the last, in
memory, without what follows (hashing, writing). Both must give the same pixels and counts. One JSON line per data set:
the median seconds of each, their ratio, how many helpers there were, and the processor time of this process each way:
what of the work cannot be shared.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from hpmkd.config.sweep import DataConfig
from hpmkd.data import decoders, examine
from hpmkd.data.layouts.detect import take_inventory
from hpmkd.hardware import cores

_MADE = ((20_000, 32, 32), (1_000, 500, 375))


def write(folder: Path, count: int, width: int, height: int) -> Path:
    """A data set of JPEGs of smooth noise in ten classes, a tenth of it held out, as a pair of Parquet files."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    for part, images in (("train", count - count // 10), ("test", count // 10)):
        encoded = []
        for _ in range(images):
            small = chance.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
            encoded.append({"bytes": buffer.getvalue(), "path": None})
        columns = {"image": encoded, "label": [number % 10 for number in range(images)]}
        parquet.write_table(pa.table(columns), folder / f"{part}.parquet")
    return folder


def decode(folder: Path, config: DataConfig, helpers: int) -> tuple[float, float, str]:
    """Seconds, of this process's processor time too, and a hash of what the images became."""
    decoders.cores = lambda: helpers
    inventory = take_inventory(folder, config)
    begun, used = time.perf_counter(), time.process_time()
    kept, seen = examine.decoded(inventory, config)
    seconds, own = time.perf_counter() - begun, time.process_time() - used
    hashed = hashlib.sha256(repr(seen).encode())
    for spool in kept.values():
        hashed.update(np.ascontiguousarray(spool.stacked(bool(spool.dimensions[3]))))
    return seconds, own, hashed.hexdigest()


def compare(folder: Path, config: DataConfig, rounds: int) -> dict[str, object]:
    """Both ways in turns; SystemExit where they do not give the same."""
    seconds: dict[int, list[tuple[float, float]]] = {1: [], cores(): []}
    found = set()
    for _ in range(rounds):
        for helpers, so_far in seconds.items():
            *took, what = decode(folder, config, helpers)
            so_far.append((took[0], took[1]))
            found.add(what)
    if len(found) != 1:
        raise SystemExit(f"{folder}: not the same images alone and with helpers")
    (alone, all_of_it), (shared, own) = (
        [statistics.median(one) for one in zip(*seconds[helpers], strict=True)] for helpers in (1, cores())
    )
    times = {"alone_seconds": alone, "shared_seconds": shared, "ratio": alone / shared}
    times |= {"alone_processor_seconds": all_of_it, "shared_processor_seconds": own}
    return {"helpers": cores(), **{name: round(value, 2) for name, value in times.items()}}


def main(words: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="a folder with a data set of one's own")
    parser.add_argument("--image-size", type=int, help="resize its images")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", type=float, default=1.0, help="of the made-up images")
    options = parser.parse_args(words)
    config = DataConfig(image_size=options.image_size)
    if options.data is not None:
        print(json.dumps({"data": options.data.name, **compare(options.data, config, options.rounds)}))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        for count, width, height in _MADE:
            name = f"{width}x{height}"
            folder = write(Path(scratch, name), max(100, int(count * options.part)), width, height)
            resized = config if width == height else DataConfig(image_size=options.image_size or 64)
            print(json.dumps({"data": name, **compare(folder, resized, options.rounds)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
