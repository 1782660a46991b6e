"""Days of a zone follow one another without gap or overlap, whatever its clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.aggregate.calendar import joined, last_local_days, local_day, local_day_of, local_days, whole_hours
from pipeline.window import floor_hour

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe",
    "America/Santiago", "America/Havana", "America/St_Johns", "Pacific/Apia", "Africa/Cairo", "Asia/Beirut",
]  # fmt: skip

zones = st.sampled_from(ZONES).map(ZoneInfo)
dates = st.dates(date(2000, 1, 2), date(2035, 12, 30))
instants = st.integers(946_800_000, 2_082_500_000).map(lambda second: datetime.fromtimestamp(second, UTC))


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Asia/Kolkata", date(2026, 3, 29), 24),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("America/Santiago", date(2026, 9, 6), 23),  # clocks skip midnight
        ("America/Havana", date(2026, 11, 1), 25),  # midnight happens twice
        ("Pacific/Apia", date(2011, 12, 30), 0),  # the day the date line moved
    ],
)
def test_length_of_a_day(zone, day, hours):
    start, end = local_day(day, ZoneInfo(zone))
    assert (end - start) == timedelta(hours=hours)


@given(zones, dates)
def test_days_follow_one_another(zone, day):
    assert local_day(day, zone)[1] == local_day(day + timedelta(days=1), zone)[0]


@given(zones, instants)
def test_an_instant_lies_in_its_day(zone, instant):
    start, end = local_day_of(instant, zone)
    assert start <= instant < end


@given(zones, instants)
def test_an_hour_touches_exactly_the_days_that_share_an_instant_with_it(zone, instant):
    hour = floor_hour(instant)
    days = local_days([hour], zone)
    around = {local_day(hour.astimezone(zone).date() + timedelta(days=shift), zone) for shift in (-2, -1, 0, 1, 2)}
    assert days == sorted(
        (start, end) for start, end in around if max(start, hour) < min(end, hour + timedelta(hours=1))
    )


def test_last_days_end_with_today():
    now = datetime(2026, 3, 29, 22, 30, tzinfo=UTC)  # already the 30th in Berlin
    days = last_local_days(now, 3, ZoneInfo("Europe/Berlin"))
    assert [end - start for start, end in days] == [timedelta(hours=24), timedelta(hours=23), timedelta(hours=24)]
    assert days[-1][0] <= now < days[-1][1]


def test_spans_that_meet_become_one():
    days = [local_day(date(2026, 3, day), ZoneInfo("UTC")) for day in (5, 1, 2, 5)]
    assert joined(days) == [(days[1][0], days[2][1]), days[0]]


@pytest.mark.parametrize(("zone", "whole"), [("UTC", True), ("America/New_York", True), ("Asia/Kolkata", False)])
def test_whether_days_start_at_full_hours_can_be_asked_of_any_instant(zone, whole):
    instants = [datetime.min.replace(tzinfo=UTC), datetime(2026, 3, 10, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
    assert [whole_hours(ZoneInfo(zone), instant) for instant in instants[1:]] == [whole, whole]
    assert isinstance(whole_hours(ZoneInfo(zone), instants[0]), bool)  # clocks of that year had odd minutes
