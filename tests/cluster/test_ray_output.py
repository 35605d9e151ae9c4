"""Of a part of Ray that dies, users see one line of ours, not pages of Ray's."""

from __future__ import annotations

import pytest
from ray._private import worker

from hpmkd.cluster.ray_output import logs_folder, without_ray_reports

REPORT = {"lines": ["Raylet is terminated."], "pid": "raylet", "is_err": False}


@pytest.mark.parametrize("verbose", [False, True])
def test_reports_of_ray_are_for_those_who_ask(verbose: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the function that Ray's listener calls, which is looked up at each report."""
    assert "print_to_stdstream" in worker.listen_error_messages.__code__.co_names
    printed: list[object] = []
    monkeypatch.setattr(worker, "print_to_stdstream", lambda data, ignore_prefix: printed.append(data))
    with without_ray_reports(verbose):
        worker.print_to_stdstream(REPORT, ignore_prefix=False)
    assert printed == [REPORT] * verbose
    worker.print_to_stdstream(REPORT, ignore_prefix=False)
    assert len(printed) == 1 + verbose, "afterwards Ray prints as ever"


def test_without_a_ray_there_are_no_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_global_node", None)
    assert logs_folder() is None
