"""What a sweep's first start makes of `fit.precision: auto`: one precision for all of its models, which stays."""

from __future__ import annotations

import contextlib

from hpmkd.cluster.mps_control import gpu_generations
from hpmkd.config.architectures import LENET5_NAMES
from hpmkd.config.kernels import COMPILED
from hpmkd.config.load import read_config_file
from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import HpmkdError
from hpmkd.hardware import computes_bf16
from hpmkd.log import log
from hpmkd.plan.pairs import pairs_of
from hpmkd.store.output_dir import OutputDir

AUTO, FP32, BF16 = "auto", "fp32", "bf16"
_AMPERE = 8  # major number of the first compute capability with bf16


def settled(config: SweepConfig, output: OutputDir) -> SweepConfig:
    """The config with `fp32` or `bf16` in place of `auto`: that of the sweep in the output, else bf16 where it costs no
    accuracy and this machine computes it natively. On a cluster that is the machine from which the sweep is started."""
    if config.fit.precision != AUTO:
        return config
    saved = _saved(output)
    if config.fit.kernels == COMPILED:  # whatever the sweep was started with: that is then refused as other settings
        found, why = FP32, "compiled kernels have no other"
    else:
        found, why = (saved, f"as in {output.config_file}") if saved else _native(config)
    log.info(f"fit.precision auto: {found} ({why})")
    return with_precision(config, found)


def with_precision(config: SweepConfig, precision: str) -> SweepConfig:
    """The config with this precision where it says `auto`."""
    if config.fit.precision != AUTO:
        return config
    return config.model_copy(update={"fit": config.fit.model_copy(update={"precision": precision})})


def _saved(output: OutputDir) -> str | None:
    """That of the sweep in the output; None where there is none, or none that can be read."""
    with contextlib.suppress(HpmkdError, OSError, AttributeError, TypeError, ValueError):
        found = read_config_file(output.config_file)["fit"]["precision"]
        return found if found in (FP32, BF16) else None
    return None


def _native(config: SweepConfig) -> tuple[str, str]:
    """A precision, and why it was taken."""
    if not all(network.arch in LENET5_NAMES for pair in pairs_of(config).values() for network in pair.values()):
        return FP32, "only of LeNet5 it was shown that bf16 costs no accuracy"
    wanted = config.resources
    on_cpu = wanted.device == "cpu" or wanted.gpus_per_trial == 0
    generations = [] if on_cpu else gpu_generations()
    if generations:
        able = min(generations) >= _AMPERE
        return (BF16, "the GPU has it") if able else (FP32, "a GPU before Ampere has no bf16")
    return (BF16, "the CPU has instructions for it") if computes_bf16() else (FP32, "the CPU has no bf16 instructions")
