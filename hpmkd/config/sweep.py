"""The config of a sweep, strict and typed. Values come from a YAML file and the command line (`config/load.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import Field, field_validator, model_validator

from hpmkd.config import condition_values, feature_methods, fields, logit_methods, networks, online_methods, protocol
from hpmkd.config.bench import BenchConfig
from hpmkd.config.condition_values import CleanValidation, Confused, Imbalance, LabelNoise, TeacherSees
from hpmkd.config.fields import Epochs, Fraction, NonNegative, Positive, PositiveInt, Section, Smoothing
from hpmkd.config.kernel_checks import need_fitting
from hpmkd.config.machine import RecordConfig, ResourcesConfig
from hpmkd.config.methods import (
    AdaptiveConfig,
    HPMKDConfig,
    KDBudgetConfig,
    KDConfig,
    TAKDConfig,
)
from hpmkd.config.networks import PairConfig, PairName, Ratio, StudentConfig, TeacherConfig
from hpmkd.config.own_method import OwnMethod
from hpmkd.config.paths import user_path
from hpmkd.config.protocol import Protocol
from hpmkd.config.tuning import TuneConfig
from hpmkd.config.user_cache import user_cache
from hpmkd.config.vary import grids


class DataConfig(Section):
    """Where images come from and how they are split."""

    dir: str = Field("data", description="folder that holds (or will hold) the data sets")
    cache_dir: str | None = Field(
        None,
        description="folder for decoded images; default: hpmkd in the user's cache folder, or, where that cannot be "
        "written, a private folder in the temp folder",
    )
    download: bool = Field(True, description="download a missing torchvision data set if there is a network connection")
    train_images: PositiveInt | None = Field(
        None, description="train on this many images only, the same ones for every model"
    )
    validation_fraction: Annotated[float, Field(ge=0, lt=0.9)] = Field(
        0.1, description="fraction of the training set held out for validation; the test set is used only at the end; "
        "0 with protocol: literature"
    )  # fmt: skip
    augment: Literal["auto", "none", "crop", "crop_flip"] = Field(
        "auto", description="auto: crop and flip for colour images, none for grey ones"
    )
    image_size: Annotated[int, Field(ge=4, le=4096)] | None = Field(
        None,
        description="your own images: resize them to N x N (shorter side to N, antialiased, then the centre); default: "
        "they must all be square and of one size",
    )
    imbalance: Imbalance = condition_values.IMBALANCE_KEY
    label_noise: LabelNoise = condition_values.NOISE_KEY
    teacher_sees: TeacherSees = condition_values.TEACHER_KEY
    clean_validation: CleanValidation = condition_values.VALIDATION_KEY
    confused: Confused = condition_values.CONFUSED_KEY
    allow_empty_classes: bool = Field(
        False, description="your own images: accept classes that have no training or no test images"
    )
    ignore_suffixes: list[str] = Field(
        [], description="your own images: leave out files with these suffixes, such as .mp4, instead of refusing them"
    )


class FitConfig(Section):
    """The training recipe, shared by all models of a sweep."""

    teacher_epochs: Epochs = Field(50, description="passes over the training set, teachers")
    assistant_epochs: Epochs | None = Field(
        None, description="passes over the training set, assistants; default: as students"
    )
    student_epochs: Epochs = Field(30, description="passes over the training set, students")
    batch_size: PositiveInt = Field(256, description="images per step")
    optimizer: Literal["adam", "sgd"] = Field("adam", description="adam, or sgd with momentum")
    lr: Positive | None = Field(
        1e-3, description="learning rate at the start; null, with protocol: literature: that of its networks"
    )
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="momentum of sgd")
    nesterov: bool = Field(True, description="sgd: Nesterov momentum")
    weight_decay: NonNegative = Field(0.0, description="L2 penalty of the optimiser")
    schedule: Literal["cosine", "step", "constant"] = Field("cosine", description="learning rate schedule")
    milestones: list[Fraction] = Field(
        [0.5, 0.75], description="schedule step: fractions of the training after which lr is multiplied by gamma"
    )
    gamma: Positive = Field(0.1, description="schedule step: factor of lr at each milestone")
    precision: Literal["fp32", "bf16", "auto"] = Field(
        "fp32", description="precision of the forward and backward pass; auto: bf16 for LeNet5s where the machine that "
        "starts the sweep computes it natively, else fp32; the sweep keeps it",
    )  # fmt: skip
    tf32: bool = Field(
        False, description="GPU: fp32 convolutions and products on TF32 units: faster, with 10 bits of mantissa"
    )
    kernels: Literal["torch", "compiled"] = Field(
        "torch", description="CPU, fp32: LeNet5's convolutional part by torch, or by kernels that numba compiles (the "
        "extra compiled): faster, with other bits; part of the recipe of each LeNet5, and of no other network",
    )  # fmt: skip
    threads: PositiveInt = Field(
        1, description="torch threads per trial; weights depend on it (order of floating-point sums)"
    )
    label_smoothing: Smoothing = Field(
        0.0, description="fraction of the label's weight that is spread over all classes"
    )
    mixup: NonNegative = Field(
        0.0, description="mix pairs of images with a weight drawn from Beta(x, x); 0: off (Zhang et al. 2018)"
    )
    views: PositiveInt | None = Field(
        None, description="number of fixed random crops and flips per image, the same for all students; default: all"
    )


class TeacherFitConfig(Section):
    """The teachers' recipe where it differs from `fit`; null: as in `fit`. Assistants and students follow `fit`.

    Label smoothing makes worse teachers (Mueller et al. 2019), so it is off for them unless it is set here.
    """

    batch_size: PositiveInt | None = Field(None, description="teachers: images per step")
    optimizer: Literal["adam", "sgd"] | None = Field(None, description="teachers: adam, or sgd with Nesterov momentum")
    lr: Positive | None = Field(None, description="teachers: learning rate at the start")
    weight_decay: NonNegative | None = Field(None, description="teachers: L2 penalty")
    schedule: Literal["cosine", "step", "constant"] | None = Field(None, description="teachers: learning rate schedule")
    label_smoothing: Smoothing = Field(
        0.0, description="teachers: label smoothing; `fit.label_smoothing` does not apply to them"
    )
    mixup: NonNegative = Field(0.0, description="teachers: mixup; `fit.mixup` does not apply to them")


class SweepConfig(Section):
    """A whole sweep: the grid data set x baseline x run, and everything its models depend on.

    `own_methods`: by name, those that users bring; with some it is another class, see `extended`.
    """

    own_methods: ClassVar[Mapping[str, OwnMethod]] = {}
    datasets: Annotated[list[str], Field(min_length=1)] = Field(
        description="Digits MNIST FashionMNIST CIFAR10 CIFAR100, a folder or archive, or NAME=PATH"
    )
    baselines: list[str] = Field(description="the methods to compare; may be left out beside `vary`")
    runs: Annotated[int, Field(ge=1, le=100_000)] = Field(5, description="students per baseline and data set")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(0, description="the sweep's seed")
    protocol: Protocol = Field(
        "honest", description="honest: images are held out for every choice, the test images are looked at once; "
        "literature: that of the tables for CIFAR-100: all images are trained on, the test images are looked at after "
        "each epoch, the usual recipe where `fit` says nothing else",
    )  # fmt: skip
    vary: list[dict[str, Any]] = Field(
        [], description="more baselines, as a grid over settings of their methods, such as "
        "{baselines: [TraditionalKD], kd.temperature: [2, 4, 8], kd.alpha: [0.5, 0.9]}; or a list of several grids"
    )  # fmt: skip
    pairs: dict[PairName, PairConfig] = Field(
        {}, description="several pairs of networks, such as {r56-r20: {teacher: {arch: resnet56}, student: {arch: "
        "resnet20}}, ...}, or names of some that the mode has: every baseline is trained for each of them; default: "
        "the pair in `teacher` and `student`",
        examples=["{r56-r20: {teacher: {arch: resnet56}, student: {arch: resnet20}}}"],
    )  # fmt: skip
    ratios: list[Ratio] = Field(
        [], description="students of several sizes, such as [2, 4, 10]: pairs r2, r4, ... of the same teacher and the "
        "student with this `student.ratio`",
        examples=["[2, 4, 6, 8, 10, 15, 20]"],
    )  # fmt: skip
    data: DataConfig = DataConfig()
    teacher: TeacherConfig = TeacherConfig(arch="lenet5_teacher")
    student: StudentConfig = StudentConfig(arch="lenet5_student")
    fit: FitConfig = FitConfig()
    teacher_fit: TeacherFitConfig = TeacherFitConfig()
    kd: KDConfig = KDConfig()
    ls: logit_methods.LSConfig = logit_methods.LSConfig()
    dkd: logit_methods.DKDConfig = logit_methods.DKDConfig()
    dist: logit_methods.DISTConfig = logit_methods.DISTConfig()
    mlkd: logit_methods.MLKDConfig = logit_methods.MLKDConfig()
    nkd: logit_methods.NKDConfig = logit_methods.NKDConfig()
    ctkd: logit_methods.CTKDConfig = logit_methods.CTKDConfig()
    wttm: logit_methods.WTTMConfig = logit_methods.WTTMConfig()
    rld: logit_methods.RLDConfig = logit_methods.RLDConfig()
    sp: feature_methods.SPConfig = feature_methods.SPConfig()
    rkd: feature_methods.RKDConfig = feature_methods.RKDConfig()
    cc: feature_methods.CCConfig = feature_methods.CCConfig()
    vid: feature_methods.VIDConfig = feature_methods.VIDConfig()
    pkt: feature_methods.PKTConfig = feature_methods.PKTConfig()
    nst: feature_methods.NSTConfig = feature_methods.NSTConfig()
    ofd: feature_methods.OFDConfig = feature_methods.OFDConfig()
    crd: feature_methods.CRDConfig = feature_methods.CRDConfig()
    reviewkd: feature_methods.ReviewKDConfig = feature_methods.ReviewKDConfig()
    simkd: feature_methods.SimKDConfig = feature_methods.SimKDConfig()
    fitnets: feature_methods.FitNetsConfig = feature_methods.FitNetsConfig()
    at: feature_methods.ATConfig = feature_methods.ATConfig()
    dml: online_methods.DMLConfig = online_methods.DMLConfig()
    ban: online_methods.BANConfig = online_methods.BANConfig()
    takd: TAKDConfig = TAKDConfig()
    hpmkd: HPMKDConfig = HPMKDConfig()
    adaptive: AdaptiveConfig = AdaptiveConfig()
    kd_budget: KDBudgetConfig = KDBudgetConfig()
    tune: TuneConfig = TuneConfig()
    resources: ResourcesConfig = ResourcesConfig()
    record: RecordConfig = RecordConfig()
    bench: BenchConfig = BenchConfig()

    @model_validator(mode="before")
    @classmethod
    def _same_network(cls, values: Any) -> Any:
        """Widths without an architecture (`--teacher.channels` alone) belong to the default network."""
        if not isinstance(values, dict):
            return values
        values = protocol.with_defaults(values)
        if values.get("vary"):
            values = {"baselines": [], **values}
        known = {name: cls.model_fields[name].default.arch for name in ("teacher", "student")}
        parts = {name: values[name] for name in known if isinstance(values.get(name), dict)}
        return {**values, **{name: {"arch": known[name], **part} for name, part in parts.items()}}

    @field_validator("vary", mode="before")
    @classmethod
    def _grids(cls, value: Any) -> list[dict[str, Any]]:
        sections = {name: field.annotation for name, field in cls.model_fields.items()}
        return grids(value, cast("dict[str, Any]", sections))

    _each_once = field_validator("datasets", "baselines", "pairs")(fields.each_once)

    @model_validator(mode="after")
    def _complete(self) -> SweepConfig:
        fields.need_some(self.baselines or self.vary, "baselines", "at least one, or a grid in `vary`")
        networks.need_one_way(self.ratios, bool(self.pairs), self.student)
        shares = KDBudgetConfig.model_fields["students"].default
        networks.need_trained(self.teacher.per_run, [self.teacher, *(pair.teacher for pair in self.pairs.values())])
        networks.need_no_shares(self.teacher.per_run, self.kd_budget.students, shares)
        data, record = self.data, self.record
        found = {"data.validation_fraction": data.validation_fraction, "data.clean_validation": data.clean_validation}
        found |= {"fit.lr": self.fit.lr, "datasets": self.datasets, "vary": self.vary}
        need_fitting(self.fit.kernels, self.fit.precision, self.resources.device)
        protocol.need_one_protocol(self.protocol, found | {"record.representations": record.representations})
        return self


def cache_folder(config: DataConfig) -> Path:
    """Where decoded images are kept: `data.cache_dir`, else `hpmkd` in the user's cache folder, or what stands in."""
    if config.cache_dir:
        return user_path(config.cache_dir, "data.cache_dir")
    return user_cache()


def memory_folder(config: DataConfig) -> Path:
    """Where teachers, assistants and searches are kept for other sweeps (see `store/shared_cache.py`)."""
    return cache_folder(config) / "memory"
