"""A node that does not see the sweep's output: what its jobs need, and what they make, goes through the mirror.

The node has a folder of the same path, a branch of the output. Into it comes what a job needs: the plan, the files of
its parents, the saved epochs that another node has made. What it makes is in the mirror before it is reported.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hpmkd.errors import HpmkdError, MirrorProblem, NotInMirror
from hpmkd.files import TEMP_PREFIX, move, parse_json
from hpmkd.mirror.contents import curves_folder, plan_names, predictions_names
from hpmkd.mirror.remote import Remote
from hpmkd.mirror.results import aside, fetch_result
from hpmkd.mirror.retries import patiently
from hpmkd.plan.job import Job
from hpmkd.store.inspection import inspect_job
from hpmkd.store.output_dir import EPOCH_FILE, EPOCH_META, OutputDir, trial_folder
from hpmkd.store.sidecar import file_hash, read_sidecar, sidecar_path

_WAIT_SECONDS = 180.0  # until the driver, or another node, has copied what a job needs
_ANSWER_SECONDS = 60.0  # the driver waits for what a node says
_SEND_SECONDS = 900.0  # a finished model waits so long for the network; then it stays here for the next attempt
_EPOCH_SECONDS = 5.0  # an epoch that cannot be copied costs no more than this: training goes on
_TODO = "look at what the sweep says of its mirror"
_KEPT = 2  # saved states of a job, there and here: the newest may be torn
_ROUND = "round_states"  # where the states lie, here and in the mirror: with no round of Tune, which forgets them


@dataclass(frozen=True)
class Exchange:
    """What a worker has to know.

    Args:
        uri: of the mirror.
        home: what the file `OutputDir.home_file` says; where it says something else, the output is not shared.
        plan: SHA-256 of each file without which no job can be begun, by its name.
    """

    uri: str
    home: str
    plan: Mapping[str, str]


def exchange_of(output: OutputDir, uri: str, home: str) -> Exchange:
    """Of an output, whose plan is written."""
    return Exchange(uri, home, {name: file_hash(output.root / name) for name in plan_names(output)})


class Branch:
    """Of an output, on the node where it is made.

    Args:
        output: the folder of the same path on this node.
        exchange: see there.
    """

    def __init__(self, output: OutputDir, exchange: Exchange) -> None:
        self.output, self.exchange = output, exchange
        self.is_needed = not is_shared(output, exchange)
        self._sent: dict[str, list[str]] = {}  # by part, folders of states in the mirror, the newest last

    @functools.cached_property
    def remote(self) -> Remote:
        """The mirror."""
        return _opened(self.exchange.uri)

    def begin(self, seconds: float | None = None) -> None:
        """Fetches the plan, for which it waits so long (some minutes, where nothing is said).

        Raises:
            MirrorProblem: it cannot be had. EnvironmentProblem: it cannot be written here.
        """
        for name, wanted in self.exchange.plan.items() if self.is_needed else ():
            path = self.output.root / name
            if not (path.is_file() and file_hash(path) == wanted):
                patiently(functools.partial(self._plan_file, name, wanted), seconds or _WAIT_SECONDS, awaited=True)

    def fetch(self, job: Job, part: str = "") -> None:
        """Fetches what the job needs, and what other nodes have saved of it; of a part of its work, that alone.

        Raises:
            MirrorProblem: a parent cannot be had.
        """
        for parent in job.parents if self.is_needed else ():
            patiently(functools.partial(self._parent, parent), _WAIT_SECONDS, awaited=True)
        with contextlib.suppress(MirrorProblem):  # without them the weights are the same, later
            patiently(lambda: self._states(job, part), _EPOCH_SECONDS)

    def states(self, job: Job, part: str = "") -> tuple[Path, ...]:
        """Folders of what is kept here."""
        return tuple((self.output.root / self._place(job)).glob(f"checkpoint_{part}*"))

    def keep_state(self, job: Job, save: Callable[[Path], object], part: str = "") -> None:
        """Keeps what `save` puts into a folder, here and in the mirror, in place of older states; where the network
        fails, here alone. What the output itself holds, the driver copies."""
        with aside(self.output) as place:
            place.root.mkdir(parents=True)
            save(place.root)
            about = parse_json((place.root / EPOCH_META).read_text())
            name = f"{self._place(job)}/checkpoint_{part}{int(about['epoch']):06d}_{int(about.get('steps', 0)):08d}"
            folder = self.output.root / name
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
            move(place.root, folder)
        for old in sorted(self.states(job, part))[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        if not self.is_needed:
            return
        with contextlib.suppress(MirrorProblem):
            files = {f"{name}/{one}": folder / one for one in (EPOCH_FILE, EPOCH_META)}
            patiently(lambda: self._put_all(files), _EPOCH_SECONDS)
            sent = [*(one for one in self._sent.get(part, ()) if one != name), name]
            self._remove(sent[:-_KEPT])
            self._sent[part] = sent[-_KEPT:]

    def send_result(self, job: Job, waits: Callable[[str], object] = lambda why: None) -> None:
        """Copies the finished model, with what belongs to it; what was kept of it on the way goes.

        `waits` is told once, if it does not work at first.

        Raises:
            MirrorProblem: the network has failed for too long; the file stays here.
        """
        shutil.rmtree(self.output.root / self._place(job), ignore_errors=True)
        if not self.is_needed:
            return
        model = self.output.model_file(job)
        beside = [self.output.root / name for name in predictions_names(job.key)]
        curves = [path for path in (self.output.root / curves_folder(job.key)).rglob("*") if path.is_file()]
        last = [path for path in (model, sidecar_path(model)) if path.is_file()]  # with it the job is done
        files = {path.relative_to(self.output.root).as_posix(): path for path in [*beside, *curves, *last]}
        there = {name: path for name, path in files.items() if path.is_file()}
        patiently(lambda: self._put_all(there), _SEND_SECONDS, failed=_Once(waits))
        with contextlib.suppress(MirrorProblem):
            patiently(lambda: self._remove(self._folders(job)), _WAIT_SECONDS)
        self._sent = {}

    def _place(self, job: Job, round_name: str = _ROUND) -> str:
        return f"tune/{round_name}/{trial_folder(job)}"

    def _plan_file(self, name: str, wanted: str) -> None:
        if self.remote.get(name, self.output.root / name) != wanted:
            raise NotInMirror(
                f"{self.exchange.uri}: {name} is not this sweep's", expected=f"hash {wanted[:12]}",
                found="another one; the sweep copies its own at its start", todo=_TODO,
            )  # fmt: skip

    def _parent(self, parent: Job) -> None:
        if self._is_current(parent):
            return
        found = fetch_result(self.remote.get, parent, self.output)
        if not found.good:
            raise NotInMirror(
                f"{self.exchange.uri}: no whole {parent.file_name} for the models that are made of it",
                found=found.reason, todo=_TODO,
            )  # fmt: skip

    def _is_current(self, parent: Job) -> bool:
        """Whether it is here, and the one that lies there: it may have been trained again."""
        here = inspect_job(parent, self.output)
        if not here.good or here.header is None:
            return False
        with aside(self.output) as place, contextlib.suppress(NotInMirror):
            path = place.model_file(parent)
            self.remote.get(f"models/{sidecar_path(path).name}", sidecar_path(path))
            there = read_sidecar(path)
            return there is not None and there.sha256 == here.header.sha256
        return False

    def _states(self, job: Job, part: str) -> None:
        found = [one for one in self._folders(job) if PurePosixPath(one).name.startswith(f"checkpoint_{part}")]
        for folder in found:
            if (self.output.root / folder / EPOCH_META).is_file():
                continue
            with contextlib.suppress(NotInMirror):  # one that was being replaced
                for one in (EPOCH_FILE, EPOCH_META):
                    self.remote.get(f"{folder}/{one}", self.output.root / folder / one)
        self._sent[part] = [folder for folder in found if PurePosixPath(folder).parts[1] == _ROUND]

    def _folders(self, job: Job) -> list[str]:
        """Of the states of a job that lie there, in all rounds."""
        names = [name for one in self.remote.folders("tune") for name in self.remote.names(self._place(job, one))]
        return sorted({str(PurePosixPath(name).parent) for name in names if name.endswith(f"/{EPOCH_META}")})

    def _put_all(self, files: Mapping[str, Path]) -> None:
        for name, path in files.items():
            self.remote.put(path, name)

    def _remove(self, folders: Iterable[str]) -> None:
        for folder in folders:
            for one in (EPOCH_META, EPOCH_FILE):
                self.remote.remove(f"{folder}/{one}")


class _Once:
    """Tells of the second failure, since one alone is nothing, and of no other."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self.tell, self.failures = tell, 0

    def __call__(self, error: MirrorProblem) -> None:
        self.failures += 1
        if self.failures == 2:
            self.tell(f"{error.where}: {error.found}")


def is_shared(output: OutputDir, exchange: Exchange) -> bool:
    """Whether this node sees the output itself."""
    try:
        return output.home_file.read_text() == exchange.home
    except OSError:
        return False


def unreachable(root: str, exchange: Exchange) -> str:
    """On a node that does not see the output: why it cannot do without; empty: it can."""
    try:
        branch = Branch(OutputDir(Path(root)), exchange)
        branch.begin(_ANSWER_SECONDS)
        mark = f"{TEMP_PREFIX}node-{uuid.uuid4().hex}"
        patiently(lambda: branch.remote.put_bytes(mark.encode(), mark), _ANSWER_SECONDS / 2)
        patiently(lambda: branch.remote.remove(mark), _ANSWER_SECONDS / 2)
    except HpmkdError as error:
        return f"{error.where}: {error.found or error.expected}"
    return ""


@functools.cache
def _opened(uri: str) -> Remote:
    """Once in a process, which trains many models: S3 is asked where the bucket lies."""
    return patiently(lambda: Remote(uri), _WAIT_SECONDS)
