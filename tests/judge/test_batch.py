"""The Batch API: half the price, through the same cache; nothing is lost or repeated by a crash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.extract.batched import BatchedReport, extract_in_batches
from pipeline.judge.batch_jobs import BatchJobs
from pipeline.sample.judge_faults import Fault
from pipeline.sample.judge_server import SampleJudge
from pipeline.window import HOUR, Window

Serve = Callable[..., SampleJudge]


def run(bench: Any) -> BatchedReport:
    return extract_in_batches(bench.store, bench.catalog, bench.settings, [bench.WINDOW], first_poll=0.05)


def start(bench: Any, judge: SampleJudge, **fields: Any) -> None:
    bench.ask(judge, usd_in=10.0, usd_out=10.0, **fields)
    bench.define(bench.score(), bench.label())
    bench.talk(15)


def test_a_backfill_in_a_batch_costs_half(bench: Any, judge: Any) -> None:
    judge.batches.polls = 3
    start(bench, judge)
    report = run(bench)
    assert [outcome.states for outcome in report.windows[0].outcomes] == [{"ok": 15}, {"ok": 15}]
    assert judge.batches.created == 1
    assert judge.count.answered == 30
    ((batched, in_batch),) = bench.query(
        "SELECT sum(cost_usd), sum(tokens_in + tokens_out) FROM judge_answers WHERE batch_id IS NOT NULL"
    )
    ((direct,),) = bench.query("SELECT count(*) FROM judge_answers WHERE batch_id IS NULL")
    assert batched == pytest.approx(in_batch * 10.0 / 1e6 / 2)
    tables = ("judge_answers", "metric_values", "extraction_runs")
    paid, on_values, in_ledger = (bench.query(f"SELECT sum(cost_usd) FROM {table}")[0][0] for table in tables)
    assert [on_values, in_ledger] == pytest.approx([paid, paid]), "what a batch costs stands where other costs do"
    assert direct == 1, "one question was asked directly, to learn how the endpoint wants to be asked"
    bench.run()
    run(bench)
    assert judge.count.answered == 30


def test_a_batch_chooses_what_hourly_runs_choose(bench: Any, judge: Any) -> None:
    bench.ask(judge, usd_in=10.0, usd_out=10.0)
    bench.define(bench.score(cap=4), bench.label(cap=4))
    bench.talk(15)
    windows = [bench.WINDOW, Window.ending(bench.WINDOW.end + HOUR)]
    extract_in_batches(bench.store, bench.catalog, bench.settings, windows, first_poll=0.05)
    assert bench.states("empathy") == bench.states("topic") == {"ok": 8, "over_cap": 7}
    places = "SELECT metric_key, window_end, sum(places) FROM partition_places GROUP BY ALL ORDER BY ALL"
    assert [row[2] for row in bench.query(places)] == [4] * 4
    assert bench.query("SELECT count(*) FROM open_places") == [(0,)]
    chosen = bench.query(
        "SELECT DISTINCT entity_id FROM metric_values WHERE status = 'ok' AND sample_index = 0 ORDER BY ALL"
    )
    (drawn,) = bench.query("SELECT max(threshold) FROM sample_thresholds WHERE metric_key = 'empathy'")
    lots = "md5_number_lower('metric-store ' || conversation_id) >> 11"
    expected = f"SELECT conversation_id FROM conversations WHERE ({lots}) / power(2, 53) < ? ORDER BY ALL"
    assert chosen == bench.query(expected, drawn[0])


def test_what_fails_in_a_batch_is_asked_by_the_next_run(bench: Any, serve: Serve) -> None:
    judge = serve(faults=[Fault("server_error", 0.4)])
    start(bench, judge)
    report = run(bench)
    states = report.windows[0].outcomes[0].states
    assert set(states) == {"ok", "pending"}
    assert "no answer" in report.progress.failures[0]
    bench.run()
    assert bench.states("empathy") == bench.states("topic") == {"ok": 15}
    assert judge.count.answered == 30


def test_an_expired_batch_keeps_what_it_has(bench: Any, judge: Any) -> None:
    judge.batches.expire_after = 10
    start(bench, judge)
    report = run(bench)
    assert "expired; 19 questions" in report.progress.failures[0]
    judge.batches.expire_after = None
    run(bench)
    assert bench.states("empathy") == bench.states("topic") == {"ok": 15}
    assert judge.count.answered == 30


@pytest.mark.parametrize("lost", ["answer to the submission", "whole submission", "nothing"])
def test_a_crash_around_the_submission_neither_loses_nor_repeats(
    bench: Any, judge: Any, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(bench, judge)
    keep = BatchJobs.keep

    class Killed(BaseException):
        pass

    def crash(self: BatchJobs, job: Any) -> None:
        if lost == "answer to the submission" and job.batch_id is not None:
            raise Killed
        keep(self, job)
        if lost == "whole submission" or job.batch_id is not None:
            raise Killed

    monkeypatch.setattr(BatchJobs, "keep", crash)
    with pytest.raises(Killed):
        run(bench)
    monkeypatch.setattr(BatchJobs, "keep", keep)
    assert judge.batches.created == (lost != "whole submission")
    run(bench)
    assert bench.states("empathy") == bench.states("topic") == {"ok": 15}
    assert judge.count.answered == 30
    assert judge.batches.created == 1


def test_a_budget_holds_for_batches(bench: Any, judge: Any) -> None:
    start(bench, judge, budget={"calls_per_day": 12})
    report = run(bench)
    states = [outcome.states for outcome in report.windows[0].outcomes]
    assert sum(part.get("ok", 0) for part in states) == 12
    assert judge.count.answered == 12


def test_an_endpoint_that_refuses_says_so_in_one_line_and_the_others_go_on(bench: Any, serve: Serve) -> None:
    revoked, healthy = serve(faults=[Fault("key_revoked", times=None)]), serve()
    start(bench, revoked, fast={"model": "judge-2", "base_url": healthy.base_url})
    bench.define(bench.score(), bench.label(model_tier="fast"))
    report = run(bench)
    assert [outcome.states for outcome in report.windows[0].outcomes] == [{"error": 15}, {"ok": 15}]
    assert [failure for failure in report.progress.failures if "refused the key" in failure] == report.progress.failures
    assert len(report.progress.failures) == 1
    assert "refused the key" in bench.value("empathy")["error"]


def test_a_server_without_batches_fails_alone(bench: Any, serve: Serve) -> None:
    without, healthy = serve(), serve()
    without.batches.offered = False
    start(bench, without, fast={"model": "judge-2", "base_url": healthy.base_url})
    bench.define(bench.score(), bench.label(model_tier="fast"))
    report = run(bench)
    assert report.windows[0].outcomes[1].states == {"ok": 15}
    assert "took no batch" in report.progress.failures[0]
    assert bench.query("SELECT count(*) FROM judge_batches WHERE finished_at IS NULL") == [(0,)]
    bench.run()
    assert bench.states("empathy") == {"ok": 15}, "asked directly, it answers"
    assert without.count.answered == 15
