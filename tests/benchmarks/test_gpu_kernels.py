"""The parts of the GPU benchmark about one step: its kernels, and memory formats. On the CPU with stand-ins."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import gpu_formats
import gpu_kernels
import gpu_trainings
import pytest
import torch

from hpmkd.data.images import Splits, split


@pytest.fixture(scope="module")
def splits() -> Splits:
    return split(gpu_trainings.made_up(64), gpu_trainings.SPEC)


def options(**more: Any) -> argparse.Namespace:
    given = {"device": "cpu", "precision": "fp32", "batch": 32, "epochs": 1, "until": time.monotonic() + 600}
    return argparse.Namespace(**{**given, **more})


NAMES = {
    "void convolve_common_engine_float_NHWC<float, float, 1024, 5, 5, 3, 3, 3, true>": "convolution forward",
    "sm80_xmma_fprop_implicit_gemm_f32f32_f32f32_f32_nchwkcrs_nchw_tilesize128x32x8": "convolution forward",
    "void wgrad_alg0_engine_NHWC<float, 128, 5, 5, 3, 3, 3, false, 512>": "convolution gradients",
    "void cudnn::detail::dgrad_engine<float, 512, 6, 5, 3, 3, 3, false>": "convolution gradients",
    "void fft2d_r2c_16x16<float>(float2*, float const*, int)": "convolution, either way",
    "sm80_xmma_gemm_cf32cf32_f32f32_cf32_tn_n_tilesize32x64x8_stage3": "convolution, either way",
    "void sgemm_largek_lds64<true, false, 5, 5, 4, 4, 4, 34>": "products of matrices",
    "void at::native::(anonymous namespace)::max_pool_backward_nhwc<float, float>": "pooling",
    "void at::native::(anonymous namespace)::multi_tensor_apply_kernel<FusedOptimizer>": "optimiser",
    "void at::native::elementwise_kernel<128, 2, gpu_kernel_impl_nocast<direct_copy_kernel>>": "copies and fills",
    "void cudnn::engines_precompiled::nhwcToNchwKernel<float, float, float, true>": "copies and fills",
    "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float>>": "copies and fills",
    "Memset (Unknown)": "copies and fills",
    "void at::native::elementwise_kernel<128, 2, at::native::CUDAFunctor_add<float>>": "elementwise and sums",
    "void at::native::reduce_kernel<128, 4, at::native::ReduceOp<float>>": "elementwise and sums",
    "some_kernel_of_tomorrow": "other",
    "Optimizer.step#Adam.step": "optimiser",
    "aten::convolution_backward": "convolution gradients",
    "aten::mkldnn_convolution": "convolution forward",
    "aten::addmm": "products of matrices",
    "aten::relu": "elementwise and sums",
}


def test_a_name_tells_the_kind_of_a_kernel() -> None:
    assert {name: gpu_kernels.kind(name) for name in NAMES} == NAMES


def test_kernels_of_a_step(splits: Splits, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu_kernels, "WANTED", [("KD", "fp32", False), ("HPM-KD", "bf16", True)])
    *rows, drawn = gpu_kernels.measure(splits, options(picture=str(tmp_path / "k.svg")))
    assert [(row["case"], row["method"], row["precision"], row["tf32"]) for row in rows] == [
        ("KD", "TraditionalKD", "fp32", False),
        ("HPM-KD", "HPM-KD", "bf16", True),
    ]
    for row in rows:
        assert row["images_s"] > 0
        assert row["step_us"] == pytest.approx(32e6 / row["images_s"], rel=0.02)
        own = {name: us for name, us in row["kinds_us"].items() if name != gpu_kernels.BETWEEN}
        assert sum(own.values()) == pytest.approx(row["kernel_us"], abs=1)
        assert all(own[name] > 0 for name in own if name not in ("convolution, either way", "other"))
        assert [one[0] for one in row["top"]] == sorted((one[0] for one in row["top"]), reverse=True)
    gradients = [count for _, count, name in rows[0]["top"] if name == "aten::convolution_backward"]
    assert gradients == [2], "of a step: LeNet5 has two convolutions, and the teacher has no gradients"
    assert drawn == {"part": "kernels", "picture": str(tmp_path / "k.svg")}
    text = (tmp_path / "k.svg").read_text()
    assert all(words in text for words in ("KD fp32", "HPM-KD TF32", "convolution gradients", "between kernels"))
    (tmp_path / "rows.json").write_text(json.dumps({"rows": [{"part": "machine"}, *rows, drawn]}))
    assert gpu_kernels.main([str(tmp_path / "rows.json"), str(tmp_path / "again.svg")]) == 0
    assert (tmp_path / "again.svg").read_bytes() == (tmp_path / "k.svg").read_bytes()


def test_without_matplotlib_there_are_rows_and_no_picture(
    splits: Splits, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu_kernels, "WANTED", [("Direct", "fp32", False)])
    monkeypatch.setitem(sys.modules, "hpmkd.analysis.plots", None)
    row, drawn = gpu_kernels.measure(splits, options(picture=str(tmp_path / "k.svg")))
    assert row["kernels"] > 0
    assert "skipped" in drawn
    assert not (tmp_path / "k.svg").exists()


def test_formats(splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [("KD", how, "fp32", False, True) for how in gpu_formats.FORMATS] + [
        ("FitNets", "nchw", "bf16", True, False)
    ]
    monkeypatch.setattr(gpu_formats, "WANTED", wanted)
    rows = list(gpu_formats.measure(splits, options()))
    fields = ("case", "format", "precision", "tf32", "cudnn_benchmark")
    assert [tuple(row[name] for name in fields) for row in rows] == wanted
    assert all(row["images_s"] > 0 and row["step_us"] > 0 and row["first_epoch_s"] > 0 for row in rows)


@pytest.mark.parametrize("part", [gpu_kernels, gpu_formats])
def test_without_time_one_row_is_measured_and_the_others_say_so(part: Any, splits: Splits) -> None:
    rows = list(part.measure(splits, options(until=time.monotonic() - 1)))
    assert len(rows) == len(part.WANTED)
    measured = [row for row in rows if "skipped" not in row]
    assert [row["case"] for row in measured] == ["KD"]
    assert measured[0]["images_s"] > 0


def test_nchw_is_another_order_of_the_same_numbers(splits: Splits) -> None:
    one, other = (gpu_trainings.training(gpu_trainings.NAMED["FitNets"], splits, 2, options(), False) for _ in range(2))
    assert gpu_formats.in_nchw(other) is other
    index = torch.arange(8)
    first, second = (made.batches.take(index, index).images for made in (one, other))
    assert (first.is_contiguous(), second.is_contiguous()) == (False, True)
    assert torch.equal(first, second)
    weights = [value for value in other.model.parameters() if value.dim() == 4]
    assert weights
    assert all(value.is_contiguous() for value in weights)
    losses = [[result.train_loss for result in made.epochs()] for made in (one, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[1][1] != losses[1][0], "the optimiser has the weights that compute"
