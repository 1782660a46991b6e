"""Settings of the models that judged metrics ask: endpoints, prices, budgets and what is redacted before asking.

The key of an endpoint is never a setting: `key_variable` names the environment variable that holds it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Tier = Literal["free", "fast", "balanced", "max", "custom"]
HOW_TO_CONFIGURE = (
    "No model is configured for tier {tier}. Set METRIC_STORE_MODELS__DEFAULT__MODEL (and __BASE_URL, __KEY_VARIABLE), "
    "or [models.default] in metric-store.toml."
)

_Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Retention(_Group):
    """For how many days each kind of fact is kept; without a number, for ever. Period rows always stay."""

    text_days: int | None = Field(default=None, ge=1, description="What was said, quotes, reasoning, refused records.")
    events_days: int | None = Field(default=None, ge=1, description="Events, and the turns of conversations.")
    values_days: int | None = Field(default=None, ge=1, description="Values of single conversations.")
    answers_days: int | None = Field(default=None, ge=1, description="What models answered, word by word.")


class ModelEndpoint(_Group):
    """One model behind one OpenAI-compatible server. Prices are US dollars for a million tokens."""

    model: str = Field(min_length=1, description="Name of the model as the server knows it.")
    base_url: str = Field(default="https://api.openai.com/v1", pattern="^https?://", description="Up to and with /v1.")
    key_variable: str | None = Field(
        default=None, pattern="^[A-Za-z_][A-Za-z0-9_]*$", description="Environment variable that holds the key."
    )
    usd_in: _Price = Field(default=0.0, description="Input tokens.")
    usd_cached: _Price | None = Field(default=None, description="Input tokens of a repeated prefix; default usd_in.")
    usd_out: _Price = Field(default=0.0, description="Output tokens, reasoning included.")
    batch_discount: float = Field(default=0.5, ge=0, le=1, description="Share of the price that a batch saves.")
    context_tokens: int = Field(default=128_000, ge=1024, description="Input and output together.")
    max_output_tokens: int = Field(default=1024, ge=16, description="Of one answer.")
    temperature: float = Field(default=0.0, ge=0, le=2, description="For single answers; `repeat` asks at 1.0.")
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    max_concurrency: int = Field(default=32, ge=1, le=1024, description="Upper end of the adaptive limit.")
    timeout_seconds: float = Field(default=60.0, gt=0, description="Of one request, whole answer included.")
    retry_seconds: float = Field(default=300.0, ge=0, description="How long one question is tried before `error`.")
    notice: str | None = Field(default=None, description="Shown with every value, for example `sample judge`.")

    @property
    def cached_price(self) -> float:
        """Price of a repeated prefix."""
        return self.usd_in if self.usd_cached is None else self.usd_cached


class Budget(_Group):
    """What may be spent; None is unlimited. A day is a UTC day. Shared by every process on the same store."""

    usd_per_run: float | None = Field(default=None, ge=0)
    usd_per_day: float | None = Field(default=None, ge=0)
    calls_per_run: int | None = Field(default=None, ge=0)
    calls_per_day: int | None = Field(default=None, ge=0)

    @property
    def unlimited(self) -> bool:
        """Whether nothing is limited."""
        return not any(limit is not None for limit in self.model_dump().values())


class Redaction(_Group):
    """What is replaced before text leaves the machine. Nothing remembers what stood there."""

    emails: bool = True
    phone_numbers: bool = True
    card_numbers: bool = True
    accounts: bool = Field(default=True, description="IBAN and national ids.")
    network_addresses: bool = Field(default=True, description="IP addresses, and URLs with a password.")
    hook: str | None = Field(
        default=None,
        pattern=r"^[\w.]+:\w+$",
        description="Your own function `module:function` from text to text, asked last; for Presidio, for example.",
    )
    fields: tuple[str, ...] = Field(
        default=(), description="Names or JSONPaths in the intelligence whose values are replaced, e.g. caller_name."
    )


class Models(_Group):
    """Which model each tier of a definition asks."""

    default: ModelEndpoint | None = Field(default=None, description="Asked by every tier without one of its own.")
    free: ModelEndpoint | None = None
    fast: ModelEndpoint | None = None
    balanced: ModelEndpoint | None = None
    max: ModelEndpoint | None = None
    custom: ModelEndpoint | None = None
    endpoints: dict[str, ModelEndpoint] = Field(default={}, description="Named, for a definition's ai_query_endpoint.")
    budget: Budget = Budget()
    redaction: Redaction = Redaction()
    write_batch: int = Field(default=512, ge=1, le=10_000, description="Answers held in memory before they are stored.")

    def endpoint(self, tier: Tier, named: str | None = None) -> ModelEndpoint | None:
        """The endpoint that a definition asks, or None when none is configured for it."""
        if named is not None:
            return self.endpoints.get(named)
        own: ModelEndpoint | None = getattr(self, tier)
        return own or self.default


class PythonMode(_Group):
    """Limits of a user's `evaluate(conversation)`."""

    timeout_seconds: float = Field(default=10.0, gt=0, description="For one conversation, wall clock.")
    cpu_seconds: int = Field(default=10, ge=1, description="For one conversation.")
    memory_mb: int = Field(default=1024, ge=64, description="Address space of the worker.")
