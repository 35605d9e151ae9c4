"""The baselines: name -> what its students learn from. No torch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpmkd.config.protocol import LITERATURE
from hpmkd.config.words import EPOCHS, keys_of
from hpmkd.errors import UsageError
from hpmkd.plan import composition
from hpmkd.plan.ablations import NAME as HPM_KD
from hpmkd.plan.ablations import hpm_kd
from hpmkd.plan.baseline import Baseline, hparams_of
from hpmkd.plan.composition import ON_EITHER, ON_KD
from hpmkd.plan.grid import varied
from hpmkd.plan.naming import SEARCH, Kind, named, parsed

if TYPE_CHECKING:
    from hpmkd.config.sweep import SweepConfig


# Of `ModelOutput`: what a loss looks at beside logits.
_MAPS, _EMBEDDING, _BEFORE = "features", "embedding", "pre_activations"


@dataclass(frozen=True)
class CatalogEntry:
    """One baseline. `make` makes it from a config; the loss is in `methods.build.DISTILLERS`.

    `keys`: config keys that it reads only where some words in its name say so (see `config/words.py`).
    """

    make: Callable[[SweepConfig], Baseline]
    keys: frozenset[str] = frozenset()


def _taught(name: str, *sections: str, **more: Any) -> Callable[[SweepConfig], Baseline]:
    """A baseline on top of KD, with config sections of its own, whose settings become words of its name."""
    own = keys_of(*sections) | more.pop("reads", frozenset())

    def make(config: SweepConfig) -> Baseline:
        reads = composition.kd_reads(config) | own
        return Baseline(name, name, composition.kd_hparams(config, *sections), reads=reads, **more)

    return make


def _features(name: str, *taps: str) -> CatalogEntry:
    """A baseline that compares feature maps or embeddings, with settings in a section of its name, on KD or alone."""
    section = name.lower()

    def make(config: SweepConfig) -> Baseline:
        hparams, reads = composition.feature_hparams(config, section), composition.feature_reads(config)
        return Baseline(name, name, hparams, reads=reads | keys_of(section), taps=frozenset(taps))

    return CatalogEntry(make, ON_EITHER | keys_of(section))


def _logits(name: str) -> CatalogEntry:
    """A baseline whose own term, with settings in a section of its name, compares logits."""
    section = name.lower()

    def make(config: SweepConfig) -> Baseline:
        hparams = composition.logit_hparams(config, section)
        return Baseline(name, name, hparams, reads=composition.logit_reads(config, section))

    return CatalogEntry(make, keys_of("ls", section))


def _ctkd(config: SweepConfig) -> Baseline:
    """KD at a temperature that is learnt."""
    reads = composition.kd_reads(config) - {"kd.temperature", "ls.temperature"} | keys_of("ctkd")
    return Baseline("CTKD", "CTKD", composition.kd_hparams(config, "ctkd", learnt=True), reads=reads)


def _cc(config: SweepConfig) -> Baseline:
    made = _features("CC", _EMBEDDING).make(config)
    return made if config.cc.form == "kernel" else replace(made, reads=made.reads - {"cc.gamma", "cc.order"})


def _fitnets(config: SweepConfig) -> Baseline:
    made = _features("FitNets", _MAPS).make(config)
    return made if config.fitnets.schedule == "two_stage" else replace(made, reads=made.reads - {"fitnets.hint_part"})


def _takd(config: SweepConfig) -> Baseline:
    steps = config.takd.steps
    reads = keys_of("takd") if steps == 1 else frozenset({"takd.steps"})
    return _taught("TAKD", assistants=steps, assistant_size=config.takd.size, numbered=steps > 1, reads=reads)(config)


def _ensemble(config: SweepConfig) -> Baseline:
    teachers = config.hpmkd.teachers
    return _taught("KD-Ensemble", teachers=teachers, taught_by="all", reads=frozenset({"hpmkd.teachers"}))(config)


def _dml(config: SweepConfig) -> Baseline:
    """Two students that teach one another: no teacher."""
    return Baseline("DML", "DML", hparams_of(config, "dml"), teachers=0, reads=keys_of("dml") | {EPOCHS})


def _ban(config: SweepConfig) -> Baseline:
    """The student's own kind, generation after generation: no teacher but the one before."""
    section = config.ban
    hparams = (("kd.alpha", 1 - section.labels), ("kd.temperature", section.temperature))
    return Baseline(
        "BAN", "TraditionalKD", hparams, teachers=0, assistants=section.generations, born_again=True, numbered=True,
        reads=keys_of("ban") | {EPOCHS},
    )  # fmt: skip


_COSTLY = frozenset({"hpmkd.chain", "hpmkd.chain_length", "hpmkd.multi_teacher", "hpmkd.teachers"})


def _budget(config: SweepConfig) -> Baseline:
    """TraditionalKD trained as long as all of HPM-KD takes: its epochs follow from that."""
    plain, rich = _taught("TraditionalKD", "kd_budget")(config), hpm_kd(config)
    alone = config.teacher.per_run  # no student shares teachers with another
    return replace(
        plain,
        label="KD-Budget",
        hparams=composition.kd_hparams(config),
        budget_of=rich,
        budget_students=1 if alone else config.kd_budget.students,
        reads=plain.reads - {EPOCHS} - ({"kd_budget.students"} if alone else set()) | _COSTLY & rich.reads,
    )


BASELINES: dict[str, CatalogEntry] = {
    "Direct": CatalogEntry(lambda config: Baseline("Direct", "Direct", teachers=0, reads=frozenset({EPOCHS}))),
    "TraditionalKD": CatalogEntry(_taught("TraditionalKD"), ON_KD),
    "DKD": _logits("DKD"),
    "DIST": _logits("DIST"),
    "MLKD": _logits("MLKD"),
    "NKD": _logits("NKD"),
    "CTKD": CatalogEntry(_ctkd, ON_KD - {"kd.temperature", "ls.temperature"}),
    "WTTM": _logits("WTTM"),
    "RLD": _logits("RLD"),
    "FitNets": CatalogEntry(_fitnets, ON_EITHER | keys_of("fitnets")),
    "AT": _features("AT", _MAPS),
    "SP": _features("SP", _MAPS),
    "RKD": _features("RKD", _EMBEDDING),
    "CC": CatalogEntry(_cc, ON_EITHER | keys_of("cc")),
    "VID": _features("VID", _MAPS),
    "PKT": _features("PKT", _EMBEDDING),
    "NST": _features("NST", _MAPS),
    "OFD": _features("OFD", _BEFORE),
    "CRD": _features("CRD", _EMBEDDING),
    "ReviewKD": _features("ReviewKD", _MAPS, _BEFORE, _EMBEDDING),
    "DML": CatalogEntry(_dml, keys_of("dml")),
    "BAN": CatalogEntry(_ban, keys_of("ban")),
    "TAKD": CatalogEntry(_takd, ON_KD | keys_of("takd")),
    "KD-Ensemble": CatalogEntry(_ensemble, ON_KD),
    "KD-Budget": CatalogEntry(_budget, ON_KD | _COSTLY),
    HPM_KD: CatalogEntry(hpm_kd, ON_KD | keys_of("hpmkd", "adaptive")),
}


def baselines_of(config: SweepConfig) -> tuple[Baseline, ...]:
    """The baseline of every entry of `config.baselines`, then those of the grids in `config.vary` that are new.

    Raises:
        UsageError: an unknown name, word or key, or two entries that are the same baseline.
    """
    found: dict[str, str] = {}
    made = []
    for entry in config.baselines:
        baseline = baseline_of(config, entry)
        if baseline.label in found:
            raise UsageError(
                "baselines: the same baseline twice",
                found=f"{found[baseline.label]!r} and {entry!r} are both {baseline.label}",
                todo="name it once, or change the words, or what the config says for all baselines",
            )
        found[baseline.label] = entry
        made.append(baseline)
    # A grid may contain what is compared anyway, and grids may overlap.
    every = {one.label: one for one in (*made, *_varied(config, found))}
    if config.protocol == LITERATURE:
        for one in every.values():
            _need_no_choice(one)
    return tuple(every.values())


def _need_no_choice(baseline: Baseline) -> None:
    """UsageError where a baseline chooses, or trains, on images that its protocol does not hold out."""
    rich = baseline.budget_of or baseline
    attention = "attention" in dict(rich.hparams).values()
    if not rich.search and not attention:
        return
    kind, words = _split(baseline.label, "baselines")
    missing = [*["noAdaptive"] * (rich.search and SEARCH not in words), *["uniform"] * attention]
    instead = "-".join([kind.name, *(word for word in words if word != SEARCH), *missing])
    raise UsageError(
        f"baselines: {baseline.label} needs images that protocol: literature does not hold out",
        expected="no search for temperature and alpha, and no trained attention",
        found=" and ".join([*["a search"] * rich.search, *["trained attention"] * attention])
        + (" in HPM-KD, whose cost is its budget" if baseline.budget_of else ""),
        todo="--hpmkd.adaptive false --hpmkd.weighting uniform, or take protocol: honest"
        if baseline.budget_of and SEARCH not in words
        else f"name {instead}, or take protocol: honest",
    )


def _varied(config: SweepConfig, found: Collection[str]) -> Iterator[Baseline]:
    def parse(entry: str, where: str) -> tuple[Kind, dict[str, Any], bool]:
        kind, words = _split(entry, where)
        return kind, *parsed(kind, words, config=config, where=where)

    return (one for one in varied(config, parse) if one.label not in found)


def baseline_of(config: SweepConfig, entry: str) -> Baseline:
    """The baseline that an entry such as `HPM-KD-noChain` or `TraditionalKD-T2` means."""
    return named(*_split(entry, "baselines"), config)


def _split(entry: str, where: str) -> tuple[Kind, list[str]]:
    """What an entry stands for without its words, and the words."""
    known = [name for name in BASELINES if entry == name or entry.startswith(f"{name}-")]
    if not known:
        raise UsageError(
            f"{where}: unknown baseline",
            expected="any of " + ", ".join(BASELINES) + "; with words as in HPM-KD-noChain, TraditionalKD-adaptive-T2",
            found=repr(entry),
            todo="correct the name (upper and lower case matter)",
        )
    name = max(known, key=len)
    return Kind(name, BASELINES[name].make, BASELINES[name].keys), entry.removeprefix(name).split("-")[1:]
