"""What a sweep is: strict and typed. Values come from a YAML file and the command line (`settings.py`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

PositiveInt = Annotated[int, Field(ge=1)]
Epochs = Annotated[int, Field(ge=1, le=100_000)]
Fraction = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Smoothing = Annotated[float, Field(ge=0, lt=1)]
# A key that came later: where it has its default it is no part of a recipe, so that older fingerprints stay true.
OPTION: JsonDict = {"option": True}
# A key that the plan reads, not the loss: what it does shows elsewhere in the recipe.
PLAN: JsonDict = {"plan": True}


class Section(BaseModel):
    """Base of every part of the config: no unknown keys, no silent conversion, no change after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DataConfig(Section):
    """Where images come from and how they are split."""

    dir: str = Field("data", description="folder that holds (or will hold) the data sets")
    cache_dir: str | None = Field(
        None, description="folder for decoded images; default: hpmkd in the user's cache folder"
    )
    download: bool = Field(True, description="download a missing torchvision data set where a network is there")
    train_images: PositiveInt | None = Field(
        None, description="train on this many images only, the same ones for every model"
    )
    validation_fraction: Annotated[float, Field(gt=0, lt=0.9)] = Field(
        0.1, description="part of the training set kept for every choice; the test set is for the end"
    )
    augment: Literal["auto", "none", "crop", "crop_flip"] = Field(
        "auto", description="auto: crop and flip for colour images, none for grey ones"
    )


class ModelConfig(Section):
    """One architecture."""

    arch: str = Field(description="lenet5_teacher, lenet5_student, lenet5, or resnet8/14/20/32/56/110")
    channels: list[PositiveInt] | None = Field(
        None, description="widths: lenet5 takes [conv1, conv2, fc], a resnet its three stages"
    )


class FitConfig(Section):
    """The training recipe, shared by all models of a sweep."""

    teacher_epochs: Epochs = Field(50, description="passes over the training set, teachers")
    assistant_epochs: Epochs | None = Field(None, description="same, assistants; default: as students")
    student_epochs: Epochs = Field(30, description="same, students")
    batch_size: PositiveInt = Field(256, description="images per step")
    optimizer: Literal["adam", "sgd"] = Field("adam", description="adam, or sgd with Nesterov momentum")
    lr: Positive = Field(1e-3, description="learning rate at the start")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="of sgd")
    weight_decay: NonNegative = Field(0.0, description="L2 penalty of the optimiser")
    schedule: Literal["cosine", "step", "constant"] = Field("cosine", description="of the learning rate")
    milestones: list[Fraction] = Field(
        [0.5, 0.75], description="schedule step: parts of the run after which lr is multiplied by gamma"
    )
    gamma: Positive = Field(0.1, description="schedule step: the factor")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="of the forward and backward pass")
    threads: PositiveInt = Field(
        1, description="torch threads per trial; weights depend on it (order of floating-point sums)"
    )
    label_smoothing: Smoothing = Field(0.0, description="part of the label's weight that is spread over all classes")
    mixup: NonNegative = Field(
        0.0, description="images are mixed in pairs with a weight from Beta(x, x); 0: they are not (Zhang et al. 2018)"
    )
    views: PositiveInt | None = Field(
        None, description="so many fixed random crops and flips per image, the same for all students; default: all"
    )


class TeacherFitConfig(Section):
    """Where the teachers' recipe differs from `fit`; null: as there. Assistants and students follow `fit`.

    Label smoothing makes worse teachers (Mueller et al. 2019), so it is off for them unless it is set here.
    """

    batch_size: PositiveInt | None = Field(None, description="teachers: images per step")
    optimizer: Literal["adam", "sgd"] | None = Field(None, description="teachers: adam, or sgd with Nesterov momentum")
    lr: Positive | None = Field(None, description="teachers: learning rate at the start")
    weight_decay: NonNegative | None = Field(None, description="teachers: L2 penalty")
    schedule: Literal["cosine", "step", "constant"] | None = Field(None, description="teachers: of the learning rate")
    label_smoothing: Smoothing = Field(0.0, description="teachers: label smoothing, whatever `fit` says")
    mixup: NonNegative = Field(0.0, description="teachers: mixup, whatever `fit` says")


class KDConfig(Section):
    """Hinton et al. 2015; every other method adds a term on top of it."""

    temperature: Positive = Field(4.0, description="T, softens both distributions")
    alpha: Fraction = Field(0.9, description="weight of the distillation term; 1 - alpha is on the labels")
    until: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="part of the training that is distilled; then labels alone (Cho and Hariharan 2019)",
        json_schema_extra=OPTION,
    )  # fmt: skip
    mixup: NonNegative | None = Field(
        None, description="as fit.mixup, for all that is distilled (Beyer et al. 2022); default: as fit.mixup",
        json_schema_extra=PLAN,
    )  # fmt: skip
    logits: Literal["auto", "live", "table"] = Field(
        "auto", description="mentors that only logits are needed of: asked at every step, or once for each view; "
        "auto: the table where it pays within one student's epochs and fits into table_gib",
        json_schema_extra=PLAN,
    )  # fmt: skip
    table_gib: Positive = Field(
        2.0, description="logits auto: largest table in GiB; a larger one is not made, the mentor is asked instead",
        json_schema_extra=PLAN,
    )  # fmt: skip


class FitNetsConfig(Section):
    """Romero et al. 2015.

    beta is 10 and not 100, as often seen with schedules of hundreds of epochs: LeNet5 pair, 10,000 CIFAR-10 images, 30
    epochs (`original_cpu`, run 1), accuracy on validation images with beta 100, 10, 1: 55.8, 59.7, 59.4; Direct 59.6.
    """

    beta: NonNegative = Field(10.0, description="weight of the hint loss")
    schedule: Literal["joint", "two_stage"] = Field(
        "joint", description="joint: hint and KD together; two_stage: the paper's, hint first, then KD"
    )
    hint_part: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3, description="two_stage: the part of the run spent on the hint alone"
    )


class ATConfig(Section):
    """Zagoruyko and Komodakis 2017."""

    beta: NonNegative = Field(1000.0, description="weight of the attention-map loss")
    p: Positive = Field(2.0, description="power in the attention map, mean over channels of |F|^p")


class TAKDConfig(Section):
    """Mirzadeh et al. 2020."""

    size: Positive | None = Field(
        None, description="parameters of the assistant; default: geometric mean of teacher and student"
    )


class HPMKDConfig(Section):
    """HPM-KD: one switch per component, and the settings of each."""

    chain: bool = Field(True, description="progressive chain: assistants between teacher and student")
    chain_length: Annotated[int, Field(ge=0, le=20)] | None = Field(
        None, description="assistants; default: so many that each step is about a quarter of the size"
    )
    multi_teacher: bool = Field(True, description="several mentors at once: all teachers, and the chain's assistants")
    teachers: Annotated[int, Field(ge=1, le=20)] = Field(
        2, description="M, independently seeded teachers (KD-Ensemble has the same ones)"
    )
    weighting: Literal["attention", "uniform", "confidence"] = Field(
        "attention", description="how mentors are weighted, image by image"
    )
    entropy_bonus: NonNegative = Field(0.1, description="attention: keeps it from betting on one mentor")
    gate_steps: PositiveInt = Field(200, description="attention: steps of its training on validation images")
    meta_temperature: bool = Field(True, description="T changes in the course of the training")
    schedule: Literal["cosine", "loss", "convergence"] = Field("cosine", description="meta temperature: what T follows")
    t_high: Positive = Field(1.5, description="meta temperature: T at the start, in parts of kd.temperature")
    t_low: Positive = Field(0.5, description="meta temperature: T at the end, likewise")
    shared_memory: bool = Field(
        True, description="shared memory: teachers, assistants and choices of any sweep are found by their content"
    )
    adaptive: bool = Field(True, description="adaptive configuration: T and alpha from a search on validation images")
    parallel: bool = Field(True, description="parallel pipeline: its models are trained side by side where they can be")


class KDBudgetConfig(Section):
    """KD-Budget, a control: TraditionalKD that is trained as long as HPM-KD takes in all."""

    students: PositiveInt = Field(5, description="so many students share the cost of HPM-KD's teachers and search")


class AdaptiveConfig(Section):
    """The search for temperature and alpha: successive halving, once per data set."""

    temperatures: Annotated[list[Positive], Field(min_length=1)] = Field([2.0, 4.0, 8.0], description="T to try")
    alphas: Annotated[list[Fraction], Field(min_length=1)] = Field([0.5, 0.9], description="alpha to try")
    keep: Annotated[int, Field(ge=2)] = Field(3, description="one of so many survives each rung")
    part: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="part of the student's epochs that the last rung trains"
    )


class ResourcesConfig(Section):
    """What one trial gets. None of it changes the weights on CPU."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: cuda where there is one")
    cpus_per_trial: Positive | None = Field(None, description="CPU cores; default: as many as threads")
    gpus_per_trial: Annotated[float, Field(ge=0, le=64)] | None = Field(
        None, description="share of a GPU such as 0.2; default: a share that fits the cores"
    )
    max_concurrent: PositiveInt | None = Field(None, description="trials side by side; default: all that fit")
    address: str | None = Field(None, description="of a running Ray cluster; default: a private local one")
    dashboard: bool = Field(False, description="start Ray's dashboard")


class RecordConfig(Section):
    """What is written while training."""

    tensorboard: bool = Field(True, description="TensorBoard event files under tensorboard/")
    checkpoint_overhead: Annotated[float, Field(gt=0, le=1)] = Field(
        0.05, description="an epoch is saved as soon as saving has cost at most this part of the time"
    )


class SweepConfig(Section):
    """A whole sweep: the grid data set x baseline x run, and everything its models depend on."""

    datasets: Annotated[list[str], Field(min_length=1)] = Field(
        description="Digits MNIST FashionMNIST CIFAR10 CIFAR100, a folder, or NAME=folder"
    )
    baselines: Annotated[list[str], Field(min_length=1)] = Field(description="the methods to compare")
    runs: Annotated[int, Field(ge=1, le=100_000)] = Field(5, description="students per baseline and data set")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(0, description="the sweep's seed")
    data: DataConfig = DataConfig()
    teacher: ModelConfig = ModelConfig(arch="lenet5_teacher")
    student: ModelConfig = ModelConfig(arch="lenet5_student")
    fit: FitConfig = FitConfig()
    teacher_fit: TeacherFitConfig = TeacherFitConfig()
    kd: KDConfig = KDConfig()
    fitnets: FitNetsConfig = FitNetsConfig()
    at: ATConfig = ATConfig()
    takd: TAKDConfig = TAKDConfig()
    hpmkd: HPMKDConfig = HPMKDConfig()
    adaptive: AdaptiveConfig = AdaptiveConfig()
    kd_budget: KDBudgetConfig = KDBudgetConfig()
    resources: ResourcesConfig = ResourcesConfig()
    record: RecordConfig = RecordConfig()

    @model_validator(mode="after")
    def _no_repeats(self) -> SweepConfig:
        for key in ("datasets", "baselines"):
            values = [value.casefold() for value in getattr(self, key)]
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{key}: named twice: {', '.join(twice)}")
        return self
