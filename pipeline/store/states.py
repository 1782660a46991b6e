"""The states of a value. Only `ok` enters an aggregate; every other one is counted beside it."""

from __future__ import annotations

STATES = (
    "ok",
    "not_applicable",
    "abstained",
    "missing",
    "out_of_range",
    "unknown_category",
    "wrong_type",
    "parse_error",
    "error",
    "not_sampled",
    "over_cap",
    "over_budget",
    "no_model",
    "pending",
)

# A value in one of these is looked at again by a later run even though its conversation has not changed.
UNFINISHED = ("error", "not_sampled", "over_cap", "over_budget", "no_model", "pending")

BY_WEIGHT = (
    "missing",
    "not_applicable",
    "abstained",
    "unknown_category",
    "out_of_range",
    "wrong_type",
    "parse_error",
    "error",
    "not_sampled",
    "over_cap",
    "over_budget",
    "no_model",
    "pending",
)
"""Of several readings without a usable one, the value has the state that comes last here."""

NOT_EXAMINED = ("not_applicable", "not_sampled", "over_cap", "over_budget", "no_model", "pending")
"""States of conversations that a metric did not look at."""
