"""The rule of random selection in Python, to compare the SQL with and to simulate."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean, variance

Stratum = int


@dataclass(frozen=True)
class Talk:
    """A conversation; instants are minutes of one clock."""

    name: str
    start: float
    end: float
    arrived: float
    draw: float
    outcome: float = 0.0

    @property
    def hour(self) -> Stratum:
        return int(self.start // 60)

    def seen(self, start: float, end: float) -> bool:
        """Whether a run over `[start, end)` looks at it."""
        return start <= self.end < end or (start <= self.arrived < end and self.end < start)


@dataclass
class Rule:
    """What one capped metric remembers between hourly partitions."""

    cap: int
    thresholds: dict[Stratum, float] = field(default_factory=dict)
    arrived_since: dict[Stratum, float] = field(default_factory=dict)
    examined: set[str] = field(default_factory=set)

    def run(self, start: float, end: float, talks: Iterable[Talk]) -> list[str]:
        """Look at the known conversations of a window; returns those that are examined now."""
        seen = [talk for talk in talks if talk.seen(start, end)]
        arrivals: dict[Stratum, float] = {}
        for talk in seen:
            arrivals[talk.hour] = min(talk.arrived, arrivals.get(talk.hour, talk.arrived))
        may_rise = {
            hour for hour in arrivals if hour * 60 >= start or start <= self.arrived_since.get(hour, start) < end
        }
        reach = {hour: self.thresholds.get(hour, 0.0) for hour in arrivals}
        asking = [
            talk
            for talk in seen
            if talk.name not in self.examined and (talk.draw < reach[talk.hour] or talk.hour in may_rise)
        ]
        due = {talk.name for talk in asking if talk.draw < reach[talk.hour]}
        due_first = len(due) <= self.cap
        covered = self._covered(seen, asking, due)
        if due_first:
            asking.sort(
                key=lambda talk: (talk.name not in due, 0 if talk.name in due else covered[talk.name], talk.draw)
            )
        else:
            asking.sort(key=lambda talk: talk.draw)
        chosen, left = asking[: self.cap], asking[self.cap :]
        for hour in may_rise:
            level = min((talk.draw for talk in left if talk.hour == hour), default=1.0)
            if level > reach[hour]:
                self.thresholds[hour] = level
                self.arrived_since[hour] = min(arrivals[hour], self.arrived_since.get(hour, arrivals[hour]))
        self.examined |= {talk.name for talk in chosen}
        return [talk.name for talk in chosen]

    def _covered(self, seen: Iterable[Talk], asking: Iterable[Talk], due: Collection[str]) -> dict[str, float]:
        """What share of its hour is examined before each conversation is, if the places of the hour go by draw."""
        sizes: dict[Stratum, int] = {}
        places: dict[Stratum, int] = {}
        for talk in seen:
            sizes[talk.hour] = sizes.get(talk.hour, 0) + 1
            places[talk.hour] = places.get(talk.hour, 0) + (talk.name in self.examined)
        covered = {}
        for talk in sorted(asking, key=lambda talk: (talk.name not in due, talk.draw)):
            covered[talk.name] = places[talk.hour] / sizes[talk.hour]
            places[talk.hour] += 1
        return covered


def stratified_mean(talks: Iterable[Talk], examined: Collection[str]) -> tuple[float, float]:
    """Mean outcome of all conversations, each hour weighed by its size, and the variance that sampling gives it."""
    hours: dict[Stratum, list[Talk]] = {}
    for talk in talks:
        hours.setdefault(talk.hour, []).append(talk)
    return stratified(
        {hour: (len(all_), [t.outcome for t in all_ if t.name in examined]) for hour, all_ in hours.items()}
    )


def stratified(hours: Mapping[Stratum, tuple[int, list[float]]]) -> tuple[float, float]:
    """As `stratified_mean`, from eligible and examined outcomes by hour; hours without any are left out."""
    looked_at = {hour: found for hour, found in hours.items() if found[1]}
    eligible = sum(size for size, _ in looked_at.values())
    mean = sum(size * fmean(outcomes) for size, outcomes in looked_at.values()) / eligible
    spread = sum(
        size**2 * (1 - len(outcomes) / size) * variance(outcomes) / len(outcomes)
        for size, outcomes in looked_at.values()
        if 1 < len(outcomes) < size
    )
    return mean, spread / eligible**2
