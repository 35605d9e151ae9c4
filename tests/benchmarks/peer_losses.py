"""torchdistill's side of `peers.py`: what its config says of each method, as dicts.

Weights of terms, temperatures and the like are the defaults of our config. Modules are those of
`peer_torchdistill.Tapped` and of torchdistill's own wrappers, which add helper modules to a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from hpmkd.config.specs import ModelSpec
from hpmkd.methods.base import embedding_size, feature_shapes
from hpmkd.methods.features.fitnets import middle

_BOTH = ("student", "teacher")
_CC_DIMENSIONS = 128  # of the linear layers in its sample config
Term = tuple[str, dict[str, Any], float]  # key of a loss, its arguments, its weight


class Method(NamedTuple):
    """What is asked for beside the labels: terms by name, modules to hook, wrappers of the networks."""

    terms: Mapping[str, Term] = MappingProxyType({})
    student: tuple[str, ...] = ()
    teacher: tuple[str, ...] = ()
    wrappers: Mapping[str, dict[str, Any]] = MappingProxyType({})
    on_kd: bool = True


class Pair(NamedTuple):
    """Student and teacher, and the settings of our methods."""

    student: ModelSpec
    teacher: ModelSpec
    told: Mapping[str, Any]

    @property
    def stages(self) -> range:
        """Both networks of a pair have as many."""
        return range(len(feature_shapes(self.student)))

    @property
    def widths(self) -> list[tuple[int, int]]:
        """Channels of student and teacher at each stage."""
        shapes = zip(feature_shapes(self.student), feature_shapes(self.teacher), strict=True)
        return [(ours[0], theirs[0]) for ours, theirs in shapes]


def _modules(student: str, teacher: str) -> dict[str, str]:
    paths = {"student_module_path": student, "teacher_module_path": teacher}
    return paths | {f"{side}_module_io": "output" for side in _BOTH}


def _outputs(student: str, teacher: str) -> dict[str, Any]:
    return {"student_output_path": student, "teacher_output_path": teacher}


def _maps(pair: Pair, name: str = "features") -> tuple[str, ...]:
    return tuple(f"{name}.{place}" for place in pair.stages)


def _inside(paths: tuple[str, ...]) -> tuple[str, ...]:
    """The same modules of a network that is in a wrapper."""
    return tuple(f"student_model.{path}" for path in paths)


def _compared(student: tuple[str, ...], teacher: tuple[str, ...]) -> dict[str, Any]:
    """Stage by stage."""
    both = [zip(_BOTH, paths, strict=True) for paths in zip(student, teacher, strict=True)]
    return {f"pair{n}": {side: {"io": "output", "path": path} for side, path in one} for n, one in enumerate(both)}


def kd(told: Mapping[str, Any]) -> Term:
    """KD as ours has it; `alpha` is the weight of the labels here."""
    weights = {"temperature": told["kd.temperature"], "alpha": 1 - told["kd.alpha"], "beta": told["kd.alpha"]}
    return ("KDLoss", {**_modules(".", "."), **weights}, 1.0)


def traditional_kd(pair: Pair) -> Method:
    """Nothing but `kd`."""
    return Method()


def dist(pair: Pair) -> Method:
    """On the labels alone, as ours."""
    weights = {"beta": pair.told["dist.beta"], "gamma": pair.told["dist.gamma"], "tau": pair.told["dist.temperature"]}
    return Method({"dist": ("DISTLoss", {**_modules(".", "."), **weights}, 1.0)}, on_kd=False)


def fitnets(pair: Pair) -> Method:
    """In one stage, as ours is by default: its sample config has two, but its terms can stand side by side."""
    place = middle(len(pair.stages))
    term = ("MSELoss", _modules("regressor", f"features.{place}"), pair.told["fitnets.beta"])
    return Method({"hint": term}, ("regressor",), (f"features.{place}",))


def at(pair: Pair) -> Method:
    """With means, as in the authors' code."""
    maps = _maps(pair)
    term = ("ATLoss", {"at_pairs": _compared(maps, maps), "mode": "code"}, pair.told["at.beta"])
    return Method({"at": term}, maps, maps)


def sp(pair: Pair) -> Method:
    """In the last maps; its rows have sums of 1, not lengths of 1 as in the paper and here."""
    last = _maps(pair)[-1]
    term = ("SPKDLoss", {**_outputs(last, last), "reduction": "batchmean"}, pair.told["sp.beta"])
    return Method({"sp": term}, (last,), (last,))


def rkd(pair: Pair) -> Method:
    """In the embedding."""
    weights = {"dist_factor": pair.told["rkd.distance"], "angle_factor": pair.told["rkd.angle"], "reduction": "mean"}
    term = ("RKDLoss", {**_outputs("embedding", "embedding"), **weights}, 1.0)
    return Method({"rkd": term}, ("embedding",), ("embedding",))


def pkt(pair: Pair) -> Method:
    """In the embedding."""
    term = ("PKTLoss", _modules("embedding", "embedding"), pair.told["pkt.beta"])
    return Method({"pkt": term}, ("embedding",), ("embedding",))


def cc(pair: Pair) -> Method:
    """In linear projections of the embedding, which are trained; ours compares the embedding itself."""
    kernel = {"type": "gaussian", "gamma": pair.told["cc.gamma"], "max_p": pair.told["cc.order"]}
    paths = {f"{side}_linear_path": "linear" for side in _BOTH}
    term = ("CCKDLoss", {**paths, "kernel_config": kernel, "reduction": "batchmean"}, pair.told["cc.beta"])
    hooks, inside = ("model.embedding", "linear"), {"path": "model.embedding", "io": "output"}
    wrappers = {}
    for side, spec in zip(_BOTH, (pair.student, pair.teacher), strict=True):
        linear = {"in_features": embedding_size(spec), "out_features": _CC_DIMENSIONS}
        wrappers[side] = {"key": "Linear4CCKD", "kwargs": {"input_module": inside, "linear_kwargs": linear}}
    return Method({"cc": term}, hooks, hooks, wrappers)


def vid(pair: Pair) -> Method:
    """At every stage, with helper modules of the same sizes as ours."""
    maps, regressors = _inside(_maps(pair)), {}
    for place, (width_in, width) in enumerate(pair.widths):
        sizes = {"in_channels": width_in, "middle_channels": width, "out_channels": width}
        more = {"eps": 1e-5, "init_pred_var": pair.told["vid.variance"]}
        regressors[f"stage{place}"] = {"io": "output", "path": maps[place], "kwargs": sizes | more}
    guesses = tuple(f"regressor_dict.{name}" for name in regressors)
    term = ("VIDLoss", {"feature_pairs": _compared(guesses, _maps(pair))}, pair.told["vid.beta"])
    wrapper = {"key": "VariationalDistributor4VID", "kwargs": {"regressors": regressors}}
    return Method({"vid": term}, maps + guesses, _maps(pair), {"student": wrapper})


def review_kd(pair: Pair) -> Method:
    """Every stage and the embedding as maps of 1x1, with helper modules of the same sizes as ours."""
    maps, targets = (*_inside(_maps(pair)), *_inside(("last",))), (*_maps(pair, "before"), "last")
    sizes = [1, *(shape[1] for shape in reversed(feature_shapes(pair.student)))]
    ends = (embedding_size(pair.student), embedding_size(pair.teacher))
    middle = min(pair.told["reviewkd.channels"], ends[0])
    fusions = [
        {"path": path, "io": "output", "kwargs": {"in_channels": a, "mid_channels": middle, "out_channels": b}}
        for path, (a, b) in zip(maps, [*pair.widths, ends], strict=True)
    ]
    made = tuple(f"abf_modules.{len(fusions) - 1 - place}" for place in range(len(fusions)))
    weight = pair.told["reviewkd.beta"]
    terms = {
        path: ("HierarchicalContextLoss", _modules(path, target), weight)
        for path, target in zip(made, targets, strict=True)
    }
    wrapper = {"key": "Student4KnowledgeReview", "kwargs": {"abfs": fusions, "sizes": sizes}}
    return Method(terms, maps + made, targets, {"student": wrapper})


METHODS: dict[str, Callable[[Pair], Method]] = {
    "TraditionalKD": traditional_kd,
    "DIST": dist,
    "FitNets": fitnets,
    "AT": at,
    "SP": sp,
    "RKD": rkd,
    "PKT": pkt,
    "CC": cc,
    "VID": vid,
    "ReviewKD": review_kd,
}


def criterion(method: Method | None, told: Mapping[str, Any]) -> dict[str, Any]:
    """A weighted sum; losses of torch, which know nothing of modules, in its wrapper.

    Args:
        method: None: nothing but the labels.
        told: the settings of our methods.
    """
    labels: dict[str, Term] = {"ce": ("CrossEntropyLoss", {}, 1.0)}
    terms = labels if method is None else {**({"kd": kd(told)} if method.on_kd else labels), **method.terms}
    made = {}
    for name, (key, kwargs, weight) in terms.items():
        wrapped: dict[str, Any] = {}
        ours = {"is_from_teacher": False, "io": "output"}
        if key == "CrossEntropyLoss":
            wrapped = {"input": {**ours, "module_path": "."}, "target": {"uses_label": True}}
        elif key == "MSELoss":
            target = {"is_from_teacher": True, "io": "output", "module_path": kwargs["teacher_module_path"]}
            wrapped = {"input": {**ours, "module_path": kwargs["student_module_path"]}, "target": target}
        made[name] = {"criterion": {"key": key, "kwargs": {} if wrapped else kwargs}, "weight": weight}
        if wrapped:
            made[name]["criterion_wrapper"] = {"key": "SimpleLossWrapper", "kwargs": wrapped}
    return {"key": "WeightedSumLoss", "kwargs": {"sub_terms": made}}
