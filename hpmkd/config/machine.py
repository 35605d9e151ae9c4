"""What a sweep asks of the machine, and what it writes besides the models: nothing that changes a result."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from hpmkd.config.fields import Positive, PositiveInt, Rejected, Section

_LEAST_SHARE = 0.01  # of a GPU's memory: what CUDA itself takes of a large one for each process


def need_one_gpu(share: float) -> float:
    """Rejected where a trial is to have several GPUs, or less of one than a process needs."""
    if share > 1:
        raise Rejected(
            "at most 1: a trial trains on one GPU, or on a share of it; no model is spread over several",
            found=f"{share:g}",
            todo="1 gives each trial a whole GPU, 0.2 puts five on each, auto measures how many fit; several GPUs are "
            "filled with trials by themselves",
        )
    if 0 < share < _LEAST_SHARE:
        raise Rejected(
            f"at least {_LEAST_SHARE:g} (a hundred trials on each GPU), or 0 for none",
            found=f"{share:g}",
            todo="take a larger share, or auto, which measures how many fit",
        )
    return share


class ResourcesConfig(Section):
    """What one trial gets. None of it changes the weights on CPU."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: cuda if there is a GPU")
    cpus_per_trial: Positive | None = Field(None, description="CPU cores per trial; default: as many as fit.threads")
    gpus_per_trial: Annotated[float, Field(ge=0), AfterValidator(need_one_gpu)] | Literal["auto"] | None = Field(
        "auto", description="share of a GPU per trial, at most 1, such as 0.2; auto: measured once for each role "
        "(teacher, student, ...) and kind of GPU, from the memory and the utilisation of one trial; null: chosen from "
        "the number of CPU cores",
    )  # fmt: skip
    max_concurrent: PositiveInt | None = Field(None, description="trials at the same time; default: as many as fit")
    cuda_graph: bool = Field(True, description="GPU: record a training step once and replay it as a CUDA graph")
    cudnn_benchmark: Literal["auto"] | bool = Field(
        "auto", description="GPU: cuDNN tries its kernels and keeps the fastest, which takes up to 2 s per model; "
        "auto: for trainings that are long enough",
    )  # fmt: skip
    deterministic: bool = Field(False, description="GPU: deterministic kernels only, where torch has them; slower")
    mps: bool | Literal["auto"] = Field(
        "auto",
        description="NVIDIA's Multi-Process Service, so that trials that share a GPU work at the same time; auto: a "
        "private daemon where trials may share one and it can be started; true: an error where it cannot; false: never",
    )
    address: str | None = Field(None, description="address of a running Ray cluster; default: a private local Ray")
    dashboard: bool = Field(False, description="start Ray's dashboard")


class RecordConfig(Section):
    """What is written while training."""

    tensorboard: bool = Field(True, description="TensorBoard event files under tensorboard/")
    wandb: str | None = Field(None, description="Weights & Biases: the project (needs the extra wandb)")
    mlflow: str | None = Field(None, description="MLflow: a tracking URI, or a folder (needs the extra mlflow)")
    predictions: bool = Field(
        True,
        description="keep what each model answers to each test image, in predictions/: calibration, agreement with the "
        "teacher and other measures are made of it",
    )
    representations: bool = Field(
        False,
        description="when all models are trained, compare what their layers make of images (CKA), and how well their "
        "embeddings separate the classes; see `hpmkd measure DIR --representations`",
    )
    mirror: str | None = Field(
        None,
        description="keep a copy of the output, as it grows, in a second folder or on storage elsewhere: a path, or a "
        "URI such as s3://bucket/run7; --restore URI continues from it on another machine",
    )
    profile: bool = Field(
        False, description="record where the time of each model and of the sweep goes, in profile.json"
    )
    checkpoint_overhead: Annotated[float, Field(gt=0, le=1)] = Field(
        0.05,
        description="save epochs, and steps of epochs that take minutes, as often as possible while saving costs "
        "at most this fraction of the time",
    )
