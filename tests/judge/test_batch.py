"""The Batch API: half the price, through the same cache; nothing is lost or repeated by a crash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.extract.batched import BatchedReport, extract_in_batches
from pipeline.judge.batch_jobs import BatchJobs
from pipeline.sample.judge_faults import Fault
from pipeline.sample.judge_server import SampleJudge

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
    assert direct == 1, "one question was asked directly, to learn how the endpoint wants to be asked"
    bench.run()
    run(bench)
    assert judge.count.answered == 30


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
    run(bench)
    assert bench.states("empathy") == bench.states("topic") == {"ok": 15}
    assert judge.count.answered == 30
    assert judge.batches.created == 1 + (lost == "whole submission") * 0


def test_a_budget_holds_for_batches(bench: Any, judge: Any) -> None:
    start(bench, judge, budget={"calls_per_day": 12})
    report = run(bench)
    states = [outcome.states for outcome in report.windows[0].outcomes]
    assert sum(part.get("ok", 0) for part in states) == 12
    assert judge.count.answered == 12


def test_a_refused_key_fails_the_metric_in_one_line(bench: Any, serve: Serve) -> None:
    judge = serve(faults=[Fault("key_revoked", times=None)])
    start(bench, judge)
    failures = [outcome.failure for outcome in run(bench).windows[0].outcomes]
    assert failures == [None, None]
    assert bench.query("SELECT count(*) FROM judge_batches") == [(0,)]
    ((failure,), *_) = bench.query("SELECT failure FROM extraction_runs WHERE failure IS NOT NULL")
    assert "refused the key" in failure
