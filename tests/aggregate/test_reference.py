"""Period rows against a plain reference: NumPy over raw values, no SQL, for every aggregation that there is."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lots import LEFT_OUT, named

from pipeline.aggregate.statistics import mean_interval, quantile_shares, rate_interval, spread_interval
from pipeline.catalog.aggregations import AGGREGATIONS, family_of
from pipeline.store import STATES
from pipeline.window import floor_hour

CLOCK_CHANGES = [
    ("UTC", datetime(2026, 1, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 3, 28, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 24, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 10, 31, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2026, 6, 1, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 6, 1, tzinfo=UTC)),
]
RANGE = {"valid_range_min": -10, "valid_range_max": 10}
SIDES = {"ratio_numerator_metric": "n_avg", "ratio_denominator_metric": "below"}

results = {
    "numerical": st.floats(-10, 10).map(lambda number: round(number, 9)) | st.integers(0, 5).map(float),
    "below": st.integers(1, 9).map(float),
    "boolean": st.booleans(),
    "categorical": st.sampled_from(["billing", "Billing", "", "straße", "other"]),
    "labels": st.lists(st.sampled_from("abcd"), max_size=3),
}


@st.composite
def outcomes(draw: st.DrawFn, hours: int) -> dict[str, Any]:
    """One conversation: when, whose, its state, and a result of each type for when that is `ok`."""
    status = draw(st.sampled_from(STATES) | st.sampled_from(["ok", "ok", "ok", "over_cap"]))
    return {
        "minute": draw(st.integers(0, hours * 60)),
        "traffic": draw(st.sampled_from(["production", "production", "simulation"])),
        "service_id": draw(st.sampled_from([None, "s1", "s2"])),
        "status": status,
        "confidence": draw(st.none() | st.floats(0, 1)),
        "results": {name: draw(strategy) for name, strategy in results.items()} if status == "ok" else {},
    }


# Three days, with a few conversations each; or two hours, full enough for every kind of interval.
samples = st.lists(outcomes(72), min_size=1, max_size=40) | st.lists(outcomes(2), min_size=60, max_size=120)


def every_metric(bench) -> tuple[dict[str, Any], dict[str, str]]:
    """A metric for each line of the table and type, and from which kind of result each takes its values."""
    metrics, kinds = {}, {}
    for name, aggregation in AGGREGATIONS.items():
        for metric_type in sorted(aggregation.types | ({"boolean"} if name == "avg" else set())):
            key = f"{metric_type[0]}_{name}"
            fields = RANGE if metric_type == "numerical" else {}
            fields = SIDES if name == "ratio" else fields
            metrics[key] = bench.metric(key, aggregation=name, metric_type=metric_type, **fields)
            kinds[key] = metric_type
    labels = {"metric_type": "categorical", "multi_label": True}
    metrics["l_count"] = bench.metric("l_count", aggregation="count", **labels)
    metrics["l_count_distinct"] = bench.metric("l_count_distinct", aggregation="count_distinct", **labels)
    metrics["below"] = bench.metric("below")
    metrics["unbounded"] = bench.metric("unbounded")
    metrics["recent"] = bench.metric("recent", cap=1, selection="recent", **RANGE)
    return metrics, kinds | {
        "l_count": "labels", "l_count_distinct": "labels", "below": "below", "unbounded": "numerical",
        "recent": "numerical",
    }  # fmt: skip


@settings(max_examples=6, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(CLOCK_CHANGES), samples)
def test_every_aggregation_agrees_with_the_reference(bench, place, conversations):
    zone, start = place
    metrics, kinds = every_metric(bench)
    written = {
        key: [
            bench.value(
                conversation["results"].get(kinds[key]),
                key=key,
                entity_id=named(f"e{number}", conversation["status"]),
                at=start + timedelta(minutes=conversation["minute"]),
                **{name: conversation[name] for name in ("traffic", "service_id", "status", "confidence")},
            )
            for number, conversation in enumerate(conversations)
        ]
        for key in metrics
        if key != "n_ratio"
    }
    bench.put([value for values in written.values() for value in values], clear=True)
    report = bench.aggregate(*metrics.values(), zone=zone)

    pairs = zip(written["n_avg"], written["below"], strict=True)
    written["n_ratio"] = [
        value | {"metric_key": "n_ratio", "below": below.get("value_number")} for value, below in pairs
    ]
    check(bench, metrics, {key: [member(value) for value in values] for key, values in written.items()}, zone)
    rows = len(bench.periods())
    assert (report.added, report.changed, report.superseded) == (rows, 0, 0)


def member(value: dict[str, Any]) -> dict[str, Any]:
    """What one row of `metric_values` says, whatever its type."""
    ok = value["status"] == "ok"
    labels = (
        set(value["value_list"]) if "value_list" in value else {value["value_text"]} if "value_text" in value else None
    )
    number = value.get("value_number", value.get("value_boolean"))
    return {
        **{name: value[name] for name in ("observed_at", "traffic", "status")},
        **{name: value.get(name) for name in ("service_id", "confidence")},
        "unit": value["entity_id"],
        "number": float(number) if ok and number is not None else None,
        "labels": labels if ok else None,
        "below": value.get("below"),
    }


IDENTITY = ("metric_key", "granularity", "traffic", "service_id", "period_start", "category")
COMPARED = (
    *("period_end", "value", "value_text", "share", "coverage", "event_count", "eligible_count", "avg_confidence"),
    *("interval_method", "interval_low", "interval_high", "interval_about", "estimated", "uncovered_share"),
    *("bound_low", "bound_high", "unit_count", "true_count", "value_sum", "value_min", "value_max"),
    *("value_sum_squares", "numerator", "denominator", "revision"),
    *(f"{state}_count" for state in STATES if state != "ok"),
)


def check(bench, metrics: dict[str, Any], members: dict[str, list[dict[str, Any]]], zone: str) -> None:
    """The current rows of metrics are those that should exist, and each says what it should."""
    wanted = reference(metrics, members, ZoneInfo(zone))
    found = {tuple(row[name] for name in IDENTITY): {name: row[name] for name in COMPARED} for row in bench.periods()}
    assert found.keys() == wanted.keys()
    for identity, row in found.items():
        for name, expected in wanted[identity].items():
            assert row[name] == expected, (identity, name)


def reference(metrics: dict[str, Any], members: dict[str, list[dict[str, Any]]], zone: ZoneInfo) -> dict[Any, Any]:
    """The rows that should exist, by identity."""
    groups = defaultdict(list)
    for key, values in members.items():
        for value in values:
            at = value["observed_at"]
            today = at.astimezone(zone).date()
            midnight, next_midnight = (
                datetime.combine(today + timedelta(days=shift), time(), tzinfo=zone).astimezone(UTC) for shift in (0, 1)
            )
            hour = floor_hour(at)
            spans = (("hour", hour, hour + timedelta(hours=1)), ("day", midnight, next_midnight))
            for granularity, begin, end in spans:
                for service_id in {None, value["service_id"]}:
                    groups[(key, granularity, value["traffic"], service_id, begin), end].append(value)
    rows = {}
    for (identity, end), values in groups.items():
        for category, row in Sample(metrics[identity[0]].definition, values).rows().items():
            rows[*identity, category] = row | {"period_end": end, "revision": 1}
    return rows


class Sample:
    """The values of one period and class, each with the weight of its hour."""

    def __init__(self, definition: Any, members: list[dict[str, Any]]) -> None:
        self.definition = definition
        self.clustered = definition.event_level
        self.family = family_of(definition.aggregation, definition.metric_type)
        self.states = Counter(member["status"] for member in members)
        self.eligible = len(members)
        self.hours: dict[datetime, list[dict[str, Any]]] = defaultdict(list)
        for each in members:
            self.hours[floor_hour(each["observed_at"])].append(each)
        self.examined = {
            hour: [each for each in values if each["status"] not in LEFT_OUT] for hour, values in self.hours.items()
        }
        self.weight = {
            hour: len(values) / len(self.examined[hour]) if self.examined[hour] else math.nan
            for hour, values in self.hours.items()
        }
        self.seen = sum(map(len, self.examined.values()))
        self.left_out = self.seen < self.eligible
        self.good = [each for each in members if each["status"] == "ok"]
        self.n = len(self.good)
        self.weights = np.array([self.weight[floor_hour(each["observed_at"])] for each in self.good])
        self.numbers = np.array([each["number"] for each in self.good if each["number"] is not None])
        self.unknown = self.eligible - self.states["not_applicable"] - self.n
        has_range = definition.metric_type == "numerical" and definition.valid_range_min is not None
        lowest, highest = (-10.0, 10.0) if has_range else (math.nan, math.nan)
        self.lowest, self.highest = (0.0, 1.0) if definition.metric_type == "boolean" else (lowest, highest)
        self.units = len({each["unit"] for each in self.good}) if self.clustered else self.n

    def rows(self) -> dict[str | None, dict[str, Any]]:
        """The summary row and the category rows, by category."""
        value = self.value()
        estimated = self.left_out and self.family in ("count", "sum")
        low, high, method = self.interval(value)
        numbers, n = self.numbers, self.n
        size = float(np.abs(numbers).max()) if numbers.size and self.family != "ratio" else 0.0
        about = None if method == "none" else "period" if estimated else "process"
        deviations = math.fsum((numbers - numbers.mean()) ** 2) if numbers.size else None
        plain = self.family != "ratio" and numbers.size
        summary = {
            "event_count": n,
            "eligible_count": self.eligible,
            **{f"{state}_count": self.states[state] for state in STATES if state != "ok"},
            "coverage": close(divided(n, self.eligible - self.states["not_applicable"])),
            "uncovered_share": close(
                sum(len(self.hours[hour]) for hour, values in self.examined.items() if not values) / self.eligible
            ),
            "unit_count": self.units if n or not self.clustered else None,
            "value": close(value, size),
            "value_text": self.mode(),
            "share": None,
            "avg_confidence": mean_confidence(self.good),
            "interval_method": method,
            "interval_low": about_equal(low, size),
            "interval_high": about_equal(high, size),
            "interval_about": about,
            "estimated": estimated,
            "value_sum": close(math.fsum(numbers) if plain else None, size),
            "value_sum_squares": close(deviations if plain else None, size * size),
            "value_min": numbers.min() if plain else None,
            "value_max": numbers.max() if plain else None,
            "true_count": int(numbers.sum()) if plain and self.definition.metric_type == "boolean" else None,
            "numerator": close(math.fsum(numbers) if self.family == "ratio" and n else None, 10),
            "denominator": close(math.fsum(self.below()) if self.family == "ratio" and n else None, 10),
            "bound_low": close(self.bound(self.lowest, "low") if self.unknown else value, size),
            "bound_high": close(self.bound(self.highest, "high") if self.unknown else value, size),
        }
        return {None: summary} | {label: summary | self.category(label) for label in self.labels()}

    def below(self) -> np.ndarray:
        return np.array([each["below"] if each["below"] is not None else 1.0 for each in self.good])

    def labels(self) -> list[str]:
        return sorted({label for each in self.good for label in each["labels"] or ()}, key=str.encode)

    def mode(self) -> Any:
        total: dict[str, float] = defaultdict(float)
        for each, weight in zip(self.good, self.weights, strict=True):
            for label in each["labels"] or ():
                total[label] += weight
        most = max(total.values(), default=0)
        return next((label for label in self.labels() if math.isclose(total[label], most)), None)

    def value(self) -> float | None:
        """The value of the period."""
        name, x, w = self.definition.aggregation, self.numbers, self.weights
        if self.family == "count":
            return (float(w.sum()) if self.seen else None) if self.left_out else float(self.n)
        if self.family == "distinct":
            return (len(self.labels()) or len(set(x.tolist()))) if self.seen else None
        if not x.size:
            return None
        quantile = AGGREGATIONS[name].quantile
        if self.family == "quantile":
            return self.quantile(quantile)
        if self.family == "trimmed":
            x, kept = self.kept()
            return float((kept * x).sum() / kept.sum())
        if self.family == "spread":
            return (
                None
                if self.n < 2
                else float(np.sqrt((w * (x - self.mean()) ** 2).sum() / w.sum() * self.n / (self.n - 1)))
            )
        if self.family == "ratio":
            return divided(float((w * x).sum()), float((w * self.below()).sum()))
        return {
            "sum": float((w * x).sum()),
            "avg": self.mean(),
            "rate": self.mean(),
            "min": float(x.min()),
            "max": float(x.max()),
        }[name]

    def quantile(self, share: float) -> float:
        """Interpolated between the middles of the stretches of weight that values cover."""
        x, w = self.sorted()
        even = w.min() == w.max()
        places = np.arange(len(x)) if even else np.cumsum(w) - w / 2
        target = places[0] + share * (places[-1] - places[0])
        at = np.flatnonzero(np.abs(places - target) < 1e-12 * w.sum())
        found = float(x[at[0]] if at.size else np.interp(target, places, x))
        assert not even or math.isclose(found, np.percentile(x, 100 * share), rel_tol=1e-9, abs_tol=1e-9)
        return found

    def mean(self) -> float:
        return float((self.weights * self.numbers).sum() / self.weights.sum())

    def sorted(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.lexsort((self.weights, self.numbers))
        return self.numbers[order], self.weights[order]

    def kept(self) -> tuple[np.ndarray, np.ndarray]:
        """The sorted numbers, and how much of the weight of each is not cut off."""
        x, w = self.sorted()
        until = np.cumsum(w)
        cut = AGGREGATIONS["trimmed_mean"].quantile * until[-1]
        kept = np.minimum(until, until[-1] - cut) - np.maximum(until - w, cut)
        return x, np.where(kept > 1e-9 * until[-1], kept, 0)

    def bound(self, end: float, side: str) -> float | None:
        """The value if all that have none were at one end of the range."""
        name, x, k = self.definition.aggregation, self.numbers.tolist(), self.unknown
        filled = x + [end] * k
        if self.family in ("count", "distinct"):
            value = self.n if self.family == "count" else self.value()
            return None if value is None else value + k * (side == "high")
        if self.family in ("mean", "share"):
            return float(np.mean(filled))
        if self.family == "sum":
            return math.fsum(filled)
        if self.family == "quantile":
            # numpy interpolates with what lies on the other side of a whole place too, where that may be unknown.
            place = (len(filled) - 1) * AGGREGATIONS[name].quantile
            values = sorted(x) + [end] * k if side == "high" else [end] * k + sorted(x)
            low, high = values[math.floor(place)], values[math.ceil(place)]
            return low + (place - math.floor(place)) * (high - low)
        if self.family == "extreme":
            if (name == "min") == (side == "low"):
                return None if math.isnan(end) else {"min": min, "max": max}[name](filled)
            return {"min": min, "max": max}[name](x) if x else None
        return None

    def moments(self, contribution: Any, *, total: bool = False) -> tuple[float, float, float, float]:
        """Variance of a weighted sum of contributions, its skewness, kurtosis and degrees of freedom.

        A conversation without a value contributes nothing. Within an hour, deviations count from the hour's own mean.
        Of a total, only what was left out is uncertain.
        """
        if self.clustered:
            sums: dict[str, float] = defaultdict(float)
            for each in self.good:
                sums[each["unit"]] += contribution(each)
            return shape([(1.0, np.array(list(sums.values())), len(sums))])
        if not self.left_out:
            return shape([(1.0, np.array([contribution(each) for each in self.good]), self.n)])
        parts = []
        for hour, examined in self.examined.items():
            size = len(examined) if total else sum(each["status"] == "ok" for each in examined)
            if not size:
                continue
            z = np.array([contribution(each) if each["status"] == "ok" else 0.0 for each in examined])
            if size > 1:
                z = z - z.mean()
            elif total:
                z = z - self.overall()
            left = 1 - len(examined) / len(self.hours[hour])
            parts.append((self.weight[hour] * (math.sqrt(left) if total else 1.0), z, size))
        variance, skewness, kurtosis, degrees = shape(parts)
        return variance, skewness, kurtosis, degrees if variance > 0 else float(sum(max(n - 1, 1) for *_, n in parts))

    def overall(self) -> float:
        """The mean over all examined, from which the only one of an hour deviates."""
        return (self.n if self.family == "count" else math.fsum(self.numbers)) / self.seen

    def interval(self, value: float | None) -> tuple[float | None, float | None, str]:
        """Its ends, from moments made here, and the name of its method."""
        none = None, None, "none"
        family, x, w = self.family, self.numbers, self.weights
        if value is None or (self.left_out and self.definition.selection == "recent" and self.definition.cap):
            return none
        if family in ("count", "sum"):
            covered = sum(len(self.hours[hour]) for hour, values in self.examined.items() if values)
            if covered == self.seen:
                return none
            one = (lambda each: 1.0) if family == "count" else (lambda each: each["number"])
            variance, skewness, kurtosis, degrees = self.moments(one, total=True)
            left = self.eligible - self.seen
            if family == "sum":
                least, most = math.fsum(x) + left * min(self.lowest, 0), math.fsum(x) + left * max(self.highest, 0)
                return self.ends("hall", mean_interval(value, variance**0.5, skewness, kurtosis, degrees, least, most))
            share = value / covered
            effective = share * (1 - share) * covered**2 / variance if variance > 0 else self.kish_examined()
            low, high = rate_interval(share, effective)
            return self.ends("clopper_pearson", (max(low * covered, self.n), min(high * covered, self.n + left)))
        if family in ("mean", "ratio"):
            below, lowest, highest = w.sum(), self.lowest, self.highest
            if family == "ratio":
                below, lowest, highest = (w * self.below()).sum(), math.nan, math.nan
                if self.below().min() >= 0 and self.clustered:
                    lowest = 0.0
            variance, skewness, kurtosis, degrees = self.moments(self.away(value))
            error = variance**0.5 / abs(below)
            return self.ends("hall", mean_interval(value, error, skewness, kurtosis, degrees, lowest, highest))
        if family == "share":
            return self.share_ends(value, *self.moments(self.away(value)))
        if family == "spread":
            mean = self.mean()
            kurtosis = divided((w * (x - mean) ** 4).sum() * w.sum(), (w * (x - mean) ** 2).sum() ** 2 * self.n)
            n = self.units if self.clustered else self.n
            return self.ends("bonett", spread_interval(value**2, math.nan if kurtosis is None else kurtosis, n))
        if family == "quantile":
            return self.quantile_ends(value)
        if family == "trimmed":
            x, kept = self.kept()
            inner = x[kept > 0]
            effective = min(self.kish(), self.units)
            error = np.std(x.clip(inner[0], inner[-1]), ddof=1) / (0.8 * effective**0.5) if self.n > 1 else math.nan
            degrees = math.floor(0.8 * effective + 1e-9) - 1
            return self.ends(
                "hall", mean_interval(value, error, 0.0, 3 / effective, degrees, self.lowest, self.highest)
            )
        assert family in ("extreme", "distinct"), f"no reference for the interval of the family {family}"
        return none

    def away(self, value: float) -> Any:
        """How far a value's contribution lies from what the estimate says."""
        if self.family == "ratio":
            return lambda each: each["number"] - value * (1.0 if each["below"] is None else each["below"])
        return lambda each: each["number"] - value

    def share_ends(
        self, share: float, variance: float, skewness: float, kurtosis: float, degrees: float
    ) -> tuple[float | None, float | None, str]:
        """Of a rate, or of the share of a category: a simple sample is binomial, any other a ratio between 0 and 1."""
        if not self.left_out and not self.clustered:
            return self.ends("clopper_pearson", rate_interval(share, self.n))
        error = variance**0.5 / self.weights.sum()
        return self.ends("hall", mean_interval(share, error, skewness, kurtosis, degrees, 0.0, 1.0))

    def quantile_ends(self, value: float) -> tuple[float | None, float | None, str]:
        quantile = AGGREGATIONS[self.definition.aggregation].quantile
        x, w = self.sorted()
        effective = float(self.n)
        if self.clustered or w.min() != w.max():
            sums: dict[Any, float] = defaultdict(float)
            for number, (each, weight) in enumerate(zip(self.good, self.weights, strict=True)):
                unit = each["unit"] if self.clustered else number
                sums[unit] += weight * ((each["number"] <= value) - quantile)
            away, m = np.array(list(sums.values())), len(sums)
            variance = m / (m - 1) * (away**2).sum() / w.sum() ** 2 if m > 1 else 0.0
            effective = min(self.n, quantile * (1 - quantile) / variance if variance > 0 else m)
        shares = [float(share) for share in quantile_shares(effective, quantile)]
        if any(map(math.isnan, shares)):
            return None, None, "none"
        until = np.cumsum(w)
        return *(float(x[np.argmax(until >= share * until[-1])]) for share in shares), "order_statistic"

    def kish(self) -> float:
        return float(self.weights.sum() ** 2 / (self.weights**2).sum())

    def kish_examined(self) -> float:
        """The same of all that were examined, less what is certain because nothing was left out beside it."""
        above = sum(len(self.hours[hour]) for hour, values in self.examined.items() if values)
        below = sum(
            self.weight[hour] ** 2 * len(values) * (1 - len(values) / len(self.hours[hour]))
            for hour, values in self.examined.items()
            if values
        )
        return above**2 / below

    def category(self, label: str) -> dict[str, Any]:
        """What the row of a category says otherwise than its summary."""
        having = [each for each in self.good if label in each["labels"]]
        is_in = np.array([label in each["labels"] for each in self.good])
        total = float(self.weights[is_in].sum())
        share = total / self.weights.sum()
        low, high, method = self.share_ends(share, *self.moments(lambda each: (label in each["labels"]) - share))
        known = self.n + self.unknown
        return {
            "value": close(total),
            "value_text": None,
            "share": close(share),
            "avg_confidence": mean_confidence(having),
            "interval_method": method,
            "interval_low": about_equal(low, 1.0),
            "interval_high": about_equal(high, 1.0),
            "interval_about": None if method == "none" else "process",
            "estimated": self.left_out,
            "true_count": len(having),
            "bound_low": close(len(having) / known),
            "bound_high": close((len(having) + self.unknown) / known),
        }

    @staticmethod
    def ends(method: str, found: Any) -> tuple[float | None, float | None, str]:
        low, high = float(found[0]), float(found[1])
        return (None, None, "none") if math.isnan(low) or math.isnan(high) else (low, high, method)


def shape(parts: list[tuple[float, np.ndarray, int]]) -> tuple[float, float, float, float]:
    """Variance, skewness, kurtosis and degrees of freedom of a sum over independent parts: scale, deviations, size."""
    powers = {k: sum(scale**k * (z**k).sum() for scale, z, _ in parts) for k in (2, 3, 4)}
    variances = np.array([scale**2 * n / max(n - 1, 1) * (z**2).sum() for scale, z, n in parts])
    variance, sizes = variances.sum(), np.array([max(n - 1, 1) for *_, n in parts])
    with np.errstate(divide="ignore", invalid="ignore"):
        degrees = variance**2 / (variances**2 / sizes).sum() if variance > 0 else np.float64(parts[0][2] - 1)
        degrees = np.float64(parts[0][2] - 1) if len(parts) == 1 else degrees
        return variance, powers[3] / powers[2] ** 1.5, powers[4] / powers[2] ** 2, degrees


def divided(above: float, below: float) -> float | None:
    return above / below if below else None


def mean_confidence(members: list[dict[str, Any]]) -> Any:
    known = [member["confidence"] for member in members if member["confidence"] is not None]
    return close(math.fsum(known) / len(known) if known else None)


def about_equal(expected: float | None, size: float) -> Any:
    """Ends come from the skewness of values, of which rounding leaves more."""
    return None if expected is None else pytest.approx(expected, rel=1e-7, abs=1e-7 * max(size, 1e-3))


def close(expected: float | None, size: float = 0.0) -> Any:
    if expected is None or math.isnan(expected):
        return None
    return pytest.approx(expected, rel=1e-9, abs=1e-10 * max(size, 1e-3))


@st.composite
def speech(draw: st.DrawFn) -> dict[str, Any]:
    """One event of a conversation; half of the conversations have several."""
    return {
        "unit": f"c{draw(st.integers(0, 30))}",
        "event_type": draw(st.sampled_from(["surface.created", "surface.submitted"])),
        "minute": draw(st.integers(0, 119)),
        "service_id": draw(st.sampled_from([None, "s1"])),
        **{name: draw(st.none() | strategy) for name, strategy in results.items() if name in ("numerical", "boolean")},
        "categorical": draw(st.none() | st.sampled_from("abc")),
    }


def of_events(bench) -> tuple[dict[str, Any], dict[str, str]]:
    """A metric over single events for each line of the table and type."""
    metrics, kinds = {}, {}
    common = {"source": "surface_events", "event_types": ("surface.created", "surface.submitted")}
    for name, aggregation in AGGREGATIONS.items():
        for metric_type in sorted(aggregation.types):
            fields: dict[str, Any] = {"extract_path": f"$.{metric_type}"}
            if name == "ratio":
                fields = {
                    "ratio_numerator_event": "surface.submitted", "ratio_denominator_event": "surface.created",
                }  # fmt: skip
            elif metric_type == "numerical":
                fields |= RANGE
            key = f"{metric_type[0]}_{name}"
            metrics[key] = bench.metric(key, aggregation=name, metric_type=metric_type, **common, **fields)
            kinds[key] = metric_type
    return metrics, kinds


@settings(max_examples=6, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(speech(), min_size=1, max_size=20) | st.lists(speech(), min_size=60, max_size=120))
def test_metrics_over_events_count_conversations(bench, events):
    metrics, kinds = of_events(bench)
    start = datetime(2026, 3, 28, 22, tzinfo=UTC)  # the second hour is the next day of Berlin
    rows = [
        {
            "workspace_id": bench.store.workspace_id,
            "event_id": f"e{number}",
            "conversation_id": event["unit"],
            "event_type": event["event_type"],
            "occurred_at": start + timedelta(minutes=event["minute"]),
            "service_id": event["service_id"],
            "domain": "surface",
            "data": json.dumps({name: event[name] for name in set(kinds.values()) if event[name] is not None}),
            "traffic": "production",
        }
        for number, event in enumerate(events)
    ]
    bench.put([], clear=True)
    with bench.store.transaction() as con:
        con.execute("DELETE FROM events")
        con.register("rows", pa.Table.from_pylist(rows))
        con.execute(
            "INSERT INTO events BY NAME SELECT *, now() AS ingested_at, 'k' AS source_key, 'f' AS file_id FROM rows"
        )
        con.register("keys", pa.table({"metric_key": list(metrics)}))
        con.execute(
            "INSERT INTO stale_periods BY NAME SELECT DISTINCT workspace_id, metric_key, 'v1' AS definition_version,"
            " date_trunc('hour', occurred_at) AS hour FROM rows CROSS JOIN keys"
        )
    bench.aggregate(*metrics.values(), zone="Europe/Berlin")

    members = {}
    for key, kind in kinds.items():
        ratio = key == "n_ratio"
        members[key] = [
            {
                "observed_at": row["occurred_at"],
                "traffic": "production",
                "status": "ok" if ratio or event[kind] is not None else "missing",
                "service_id": event["service_id"],
                "confidence": None,
                "unit": event["unit"],
                "number": float(event["event_type"] == "surface.submitted") if ratio
                else None if kind == "categorical" or event[kind] is None else float(event[kind]),
                "labels": {event[kind]} if kind == "categorical" and event[kind] is not None else None,
                "below": float(event["event_type"] == "surface.created") if ratio else None,
            }
            for row, event in zip(rows, events, strict=True)
        ]  # fmt: skip
    check(bench, metrics, members, "Europe/Berlin")
