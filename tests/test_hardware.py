"""What a machine is made of."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest

from hpmkd import hardware


def test_this_machine() -> None:
    assert re.fullmatch(r".+, \d+ cores?, \d+\.\d GiB", hardware.machine())
    assert f"{hardware.cores()} core" in hardware.machine()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nmodel name\t: Some CPU @ 2.00GHz\n", "Some CPU @ 2.00GHz"),
        ("processor\t: 0\nCPU part\t: 0xd40\n", None),  # ARM does not say
        (None, None),  # no such file: macOS
    ],
)
def test_the_name_of_the_cpu(text: str | None, expected: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    assert hardware._cpu(tmp_path / "cpuinfo") == (expected or platform.processor() or platform.machine())
