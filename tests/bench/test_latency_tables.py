"""Latencies as tables for a terminal."""

from __future__ import annotations

from support.benches import latencies

from hpmkd.bench.latency_tables import tables


def test_every_table_marks_what_is_not_to_be_trusted() -> None:
    for planted, mark in ((1.0, ""), (1.2, "?")):
        _, *measured = tables(latencies(lambda *_: 1e-3, planted=planted))
        assert len(measured) == 2  # times, and throughput
        for table in measured:
            place = table.headings.index("?")
            assert {row[place] for row in table.rows} == {mark}, table.title
