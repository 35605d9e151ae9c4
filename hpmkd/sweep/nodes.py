"""Gets every node of a cluster ready, or says what one of them lacks, before the first trial."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hpmkd.audit.sweep_dir import Sweep
from hpmkd.cluster.need_nodes import Reach, need_nodes
from hpmkd.cluster.nodes import living_nodes, on_each, several
from hpmkd.config.specs import DataSpec
from hpmkd.config.sweep import DataConfig
from hpmkd.data.cache import prepare
from hpmkd.errors import HpmkdError
from hpmkd.log import progress


def ready_nodes(sweep: Sweep, keys: Collection[str], reach: Reach | None = None) -> None:
    """Of a cluster that the user has named; a private Ray has this machine alone.

    Args:
        sweep: which one.
        keys: of the jobs that are to be trained, whose images each node decodes once, as far as it does not have them.
        reach: see `need_nodes`.

    Raises:
        EnvironmentProblem: a node sees neither the output nor a mirror, has other software, or no images.
    """
    if not sweep.config.resources.address:
        return
    nodes = living_nodes()
    need_nodes(nodes, sweep.output, reach)
    progress.info(f"on a cluster of {several(nodes)}")
    wanted = list(dict.fromkeys(sweep.by_key[key].data for key in keys))
    on_each(nodes[1:], decoded_there, wanted, sweep.config.data)  # on the first, this one, they are


def decoded_there(wanted: Sequence[DataSpec], config: DataConfig) -> dict[str, str | None] | None:
    """On a node: decodes what its cache does not have; the parts of an error where it cannot."""
    try:
        for spec in wanted:
            prepare(spec, config)
    except HpmkdError as error:
        return {"where": error.where, "expected": error.expected, "found": error.found, "todo": error.todo}
    return None
