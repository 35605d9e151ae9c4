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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 clflush\n", True),
        ("flags\t\t: fpu amx_bf16\n", True),
        ("Features\t: fp asimd bf16 i8mm\n", True),
        ("flags\t\t: fpu avx2 avx512f avx512_vnni\n", False),
        ("model name\t: avx512_bf16\n", False),
        ("flags\t\t: no_avx512_bf16\nbugs\t\t: bf16\n", False),
        ("", False),
        (None, False),
    ],
)
def test_instructions_for_bf16(text: str | None, expected: bool, tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    if text is not None:
        info.write_text(text)
    assert hardware.computes_bf16(info) is expected
