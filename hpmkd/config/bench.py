"""The section `bench` of the config: what is measured when nothing is trained any more."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from hpmkd.config import fields
from hpmkd.config.fields import Positive, PositiveInt, Section


class BenchConfig(Section):
    """What is measured after the training, when nothing else of the sweep runs. No model depends on it."""

    latency: bool = Field(
        False, description="measure the latency of one network per architecture, in latency.json and the report"
    )
    runtimes: Annotated[list[Literal["eager", "export", "onnx"]], Field(min_length=1)] = Field(
        ["eager", "export", "onnx"], description="latency: eager torch, a program of torch.export, onnx runtime"
    )
    batch_sizes: Annotated[list[PositiveInt], Field(min_length=1)] = Field(
        [1, 8, 32, 128], description="latency: images per call"
    )
    threads: Annotated[list[PositiveInt], Field(min_length=1)] = Field(
        [1], description="latency: CPU threads of a call; never more than cores"
    )
    measurements: PositiveInt = Field(
        1000, description="latency: calls that are measured at batch size 1, and at most at others"
    )
    seconds: Positive = Field(5.0, description="latency: of each network at each other batch size, at most")
    tolerance: Positive = Field(
        0.05, description="latency: how far from 1 the ratio of a network to itself may be, with its interval"
    )
    workers: list[PositiveInt] = Field(
        [], description="speed-up: train the sweep again with so many trials side by side, such as [1, 2, 4, 8]; never "
        "more than cores or GPUs allow"
    )  # fmt: skip
    repeats: Annotated[int, Field(ge=1, le=1000)] = Field(3, description="speed-up: how often each number of workers")

    _each_once = field_validator("runtimes", "batch_sizes", "threads", "workers")(fields.each_different)
