"""The baselines: name -> what its students learn from. No torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hpmkd.config.protocol import LITERATURE
from hpmkd.config.words import EPOCHS, keys_of
from hpmkd.errors import UsageError
from hpmkd.plan import composition
from hpmkd.plan.ablations import NAME as HPM_KD
from hpmkd.plan.ablations import hpm_kd
from hpmkd.plan.baseline import SEVERAL, Baseline, hparams_of
from hpmkd.plan.composition import ON_EITHER, ON_KD
from hpmkd.plan.entries import BEFORE, EMBEDDING, MAPS, CatalogEntry, features, logits, taught
from hpmkd.plan.grid import varied
from hpmkd.plan.naming import SEARCH, Kind, named, parsed
from hpmkd.plan.own_methods import own_entry
from hpmkd.plan.tuning import need_used

if TYPE_CHECKING:
    from hpmkd.config.sweep import SweepConfig


def _ctkd(config: SweepConfig) -> Baseline:
    """KD at a temperature that is learnt."""
    reads = composition.kd_reads(config) - {"kd.temperature", "ls.temperature"} | keys_of("ctkd")
    return Baseline("CTKD", "CTKD", composition.kd_hparams(config, "ctkd", learnt=True), reads=reads)


def _cc(config: SweepConfig) -> Baseline:
    made = features("CC", EMBEDDING).make(config)
    return made if config.cc.form == "kernel" else replace(made, reads=made.reads - {"cc.gamma", "cc.order"})


def _fitnets(config: SweepConfig) -> Baseline:
    made = features("FitNets", MAPS).make(config)
    return made if config.fitnets.schedule == "two_stage" else replace(made, reads=made.reads - {"fitnets.hint_part"})


def _simkd(config: SweepConfig) -> Baseline:
    """The teacher's last maps, and its classifier: neither labels nor logits."""
    hparams, reads = composition.plain_hparams(config, "simkd"), composition.PLAIN_READS | keys_of("simkd")
    # What the projector is like shows in the network.
    kept = tuple(pair for pair in hparams if pair[0] != "simkd.reduction")
    reuses = config.simkd.reduction
    return Baseline("SimKD", "SimKD", kept, reads=reads, taps=frozenset({"last_maps"}), reuses=reuses)


def _takd(config: SweepConfig) -> Baseline:
    steps = config.takd.steps
    reads = keys_of("takd") if steps == 1 else frozenset({"takd.steps"})
    return taught("TAKD", assistants=steps, assistant_size=config.takd.size, numbered=steps > 1, reads=reads)(config)


def _ensemble(config: SweepConfig) -> Baseline:
    teachers = config.hpmkd.teachers or SEVERAL
    return taught("KD-Ensemble", teachers=teachers, taught_by="all", reads=frozenset({"hpmkd.teachers"}))(config)


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
    plain, rich = taught("TraditionalKD", "kd_budget")(config), hpm_kd(config)
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
    "TraditionalKD": CatalogEntry(taught("TraditionalKD"), ON_KD),
    "DKD": logits("DKD"),
    "DIST": logits("DIST"),
    "MLKD": logits("MLKD"),
    "NKD": logits("NKD"),
    "CTKD": CatalogEntry(_ctkd, ON_KD - {"kd.temperature", "ls.temperature"}),
    "WTTM": logits("WTTM"),
    "RLD": logits("RLD"),
    "FitNets": CatalogEntry(_fitnets, ON_EITHER | keys_of("fitnets")),
    "AT": features("AT", MAPS),
    "SP": features("SP", MAPS),
    "RKD": features("RKD", EMBEDDING),
    "CC": CatalogEntry(_cc, ON_EITHER | keys_of("cc")),
    "VID": features("VID", MAPS),
    "PKT": features("PKT", EMBEDDING),
    "NST": features("NST", MAPS),
    "OFD": features("OFD", BEFORE),
    "CRD": features("CRD", EMBEDDING),
    "ReviewKD": features("ReviewKD", MAPS, BEFORE, EMBEDDING),
    "SimKD": CatalogEntry(_simkd, keys_of("simkd")),
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
    need_used(list(every.values()), config)
    if config.protocol == LITERATURE:
        for one in every.values():
            _need_no_choice(one, config)
    return tuple(every.values())


def _need_no_choice(baseline: Baseline, config: SweepConfig) -> None:
    """UsageError where a baseline chooses, or trains, on images that its protocol does not hold out."""
    rich = baseline.budget_of or baseline
    attention = "attention" in dict(rich.hparams).values()
    if not rich.search and not attention:
        return
    kind, words = _split(config, baseline.label, "baselines")
    missing = [*["noAdaptive"] * (rich.search and SEARCH not in words), *["uniform"] * attention]
    instead = "-".join([kind.name, *(word for word in words if word != SEARCH), *missing])
    raise UsageError(
        f"baselines: {baseline.label} needs images that protocol: literature does not hold out",
        expected="no search (adaptive), and no trained attention",
        found=" and ".join([*["a search"] * rich.search, *["trained attention"] * attention])
        + (" in HPM-KD, whose cost is its budget" if baseline.budget_of else ""),
        todo="--hpmkd.adaptive false --hpmkd.weighting uniform, or take protocol: honest"
        if baseline.budget_of and SEARCH not in words
        else f"name {instead}, or take protocol: honest",
    )


def _varied(config: SweepConfig, found: Collection[str]) -> Iterator[Baseline]:
    def parse(entry: str, where: str) -> tuple[Kind, dict[str, Any], bool]:
        kind, words = _split(config, entry, where)
        return kind, *parsed(kind, words, config=config, where=where)

    return (one for one in varied(config, parse) if one.label not in found)


def baseline_of(config: SweepConfig, entry: str) -> Baseline:
    """The baseline that an entry such as `HPM-KD-noChain` or `TraditionalKD-T2` means."""
    return named(*_split(config, entry, "baselines"), config)


def known_baselines(config: SweepConfig) -> dict[str, CatalogEntry]:
    """By name: those of this package, and those that the user brings."""
    return {**BASELINES, **{name: own_entry(method) for name, method in config.own_methods.items()}}


def root_of(entry: str, names: Iterable[str]) -> str | None:
    """Of these names that of which an entry is a variant: `DKD` of `DKD-T2`. None: of none."""
    found = [name for name in names if entry == name or entry.startswith(f"{name}-")]
    return max(found, key=len) if found else None


def _split(config: SweepConfig, entry: str, where: str) -> tuple[Kind, list[str]]:
    """What an entry stands for without its words, and the words. Of one that names a place the place is left out."""
    known, written = known_baselines(config), entry.rpartition(":")[2]
    name = root_of(written, known)
    if name is None:
        raise UsageError(
            f"{where}: unknown baseline",
            expected="any of " + ", ".join(known) + "; with words as in HPM-KD-noChain, TraditionalKD-adaptive-T2; "
            "or a method of your own: path/to/file.py:Class",
            found=repr(entry),
            todo="correct the name (upper and lower case matter)",
        )
    return Kind(name, known[name].make, known[name].keys), written.removeprefix(name).split("-")[1:]
