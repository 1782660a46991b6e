"""What each of several processes may use of the limits of the models, so that together they keep within them."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.settings_models import ModelEndpoint, Models

_TIERS = ("default", "free", "fast", "balanced", "max", "custom")


def most_shares(models: Models, endpoints: Iterable[ModelEndpoint]) -> int:
    """Into how many processes the questions to these endpoints can be split: each may have one under way at least."""
    return min((models.write_batch, *(endpoint.max_concurrency for endpoint in endpoints)))


def share_of(models: Models, place: int, shares: int) -> Models:
    """The settings of one of several processes; the limits of all add up to those that are given.

    Requests at once, requests and tokens per minute and unwritten answers are split. Each process finds out by itself
    how much of its part a server bears: several limiters of the same kind settle at a fair part each. The budget stays
    whole, since it is kept in the store for all processes.

    Args:
        models: as they are configured.
        place: of the process, from 0.
        shares: how many processes there are, at most `most_shares`.
    """

    def part(endpoint: ModelEndpoint) -> ModelEndpoint:
        limits = {
            "max_concurrency": max(_part(endpoint.max_concurrency, place, shares), 1),
            "requests_per_minute": _portion(endpoint.requests_per_minute, shares),
            "tokens_per_minute": _portion(endpoint.tokens_per_minute, shares),
        }
        return endpoint.model_copy(update=limits)

    tiers = {name: part(endpoint) for name in _TIERS if (endpoint := getattr(models, name)) is not None}
    named = {name: part(endpoint) for name, endpoint in models.endpoints.items()}
    batch = max(_part(models.write_batch, place, shares), 1)
    return models.model_copy(update={**tiers, "endpoints": named, "write_batch": batch})


def _part(amount: int, place: int, shares: int) -> int:
    """The parts of all places add up to the amount."""
    return (amount + place) // shares


def _portion(amount: float | None, shares: int) -> float | None:
    return None if amount is None else amount / shares
