"""The description of the API (OpenAPI 3.1): what its text says, and what the framework's own leaves out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from pipeline.api import once
from pipeline.api.models.calls import NOT_KEPT
from pipeline.api.problems import HEADER, MEDIA_TYPE, TITLES
from pipeline.settings import Settings
from pipeline.workspace.webhooks import EVENTS, TEST

TEXT = f"""
Numbers about every conversation that you can defend: define a metric once, read it every hour.

**Reading.** Answers come from a published snapshot; each comes from one publication as a whole. They carry `ETag` and
`Last-Modified`: send `If-None-Match` to be told 304 while nothing has changed. Instants are UTC, ISO 8601. A parameter
may be a day, too (`date_from=2026-04-28`): the instant at which it starts in the workspace's zone.

**Rows.** A row is told apart by `metric_type`. An aggregated boolean and every count are numerical rows. An aggregated
categorical metric is its most frequent category, with all categories under `distribution`. A period without data has
`value` null, never 0. Period rows belong to no call: filters by entity, run or session need `scope=entity` or `all`.
Latest and history give newest first, trends oldest first.

**Pages.** Lists have `limit` and `offset`. While there is a next page, its URL is in `Link: <…>; rel="next"`. `total`
is that of all pages on every page.

**Failures** are problems (RFC 9457, `application/problem+json`). Branch on `type`, a stable code; show `detail`, what
was found and what to do next. In 422 `detail` lists everything that is wrong as `{{loc, msg, type}}`. `request_id` is
that of the header `X-Request-Id`, which you may send; the server's log has it. The codes, each after
`urn:metric-store:problem:`: {", ".join(f"`{code}`" for code in TITLES)}.
503 and 429 say in `Retry-After` when to come back.

**Keys.** `Authorization: Bearer ms_…`. Any role reads and evaluates; admin and owner change definitions, alarms,
webhooks and send events; the owner decides what keys may read. A key for another workspace is told 404.

**Sending again.** Send an `Idempotency-Key` (a UUID) with a POST that creates something: sent again within a day it is
answered as before and not done again. Events need none: their ids decide.

**Versions.** The path has the version, `v1`. Within it fields, parameters and values of enumerations are added, and
none is taken away, renamed or given another meaning; so ignore what you do not know. What will go is marked
`deprecated` for at least a year, and each release says in its changelog what it adds. A breaking
change would be `v2`, beside `v1`.

**Calls** are conversations in the words of the vendor's contract: `/calls`, one call, its intelligence, its timeline.
Their ids are those of conversations. The store does not keep, so always null are:
{", ".join(f"`{name}`" for name in NOT_KEPT)}.

**Left out of the vendor's contract by choice.** Its analytics endpoints and eval definitions: breakdowns, checks and
SQL give the same numbers.
"""

TAGS: list[dict[str, str]] = [
    {"name": "health", "description": "Whether the server lives. Needs no key."},
    {"name": "metrics", "description": "Numbers: the newest, over time, by group, of single conversations, on demand."},
    {"name": "settings", "description": "Definitions: what is measured. Each change is a revision that can be undone."},
    {
        "name": "conversations",
        "description": "Conversations by what their metrics say, and one with all that is known.",
    },
    {"name": "checks", "description": "Whether the numbers are good enough: a gate for releases."},
    {"name": "exports", "description": "All rows at once, as files."},
    {"name": "runs", "description": "The ledger: what was done, what is missing, what it cost."},
    {"name": "sql", "description": "One SELECT over what the key may read."},
    {"name": "intake", "description": "What agents send: events, and metrics that they wrote themselves."},
    {"name": "alarms", "description": "Alarms, and the programs that are told about them."},
    {"name": "access", "description": "Keys, what they may read, and who did what."},
]
_MESSAGES = {
    TEST: "A message that was asked for, to see whether the receiver works.",
    "run.finished": "A run was published; `data` is its row of the ledger.",
}
_METHODS = ("get", "put", "post", "patch", "delete")
_ID = {"description": "Of the request; the log has it.", "schema": {"type": "string"}}
_LINK = {"description": 'While there is a next page: `<URL>; rel="next"`.', "schema": {"type": "string"}}
_KEY = {
    "name": once.HEADER,
    "in": "header",
    "required": False,
    "description": "Any text of your own, for example a UUID: sent again within a day, the request is not done again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


@cache
def examples() -> dict[str, dict[str, Any]]:
    """By operation: `sent` (path, query, body) and `answer`, as a server of the sample conversations gave it."""
    text = files("pipeline.api").joinpath("examples.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = orjson.loads(text)
    return {name: each for name, each in found.items() if "sent" in each}  # a new one has not been recorded yet


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add to a description what the framework does not know: summaries, problems, headers, examples, messages."""
    for path, method, operation in operations(document):
        text = operation.get("description", "")
        operation["summary"] = _first_sentence(text) or operation["summary"]
        _describe_answers(operation)
        creates = operation["operationId"] not in once.CREATE_NOTHING
        if method == "post" and creates:
            operation.setdefault("parameters", []).append(_KEY)
            operation["responses"]["409"] = {
                "description": "A request with this `Idempotency-Key` has not been answered.",
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}},
            }
        if (example := examples().get(operation["operationId"])) is not None:
            _show(operation, example)
            operation["x-codeSamples"] = code_samples(path, method, example["sent"])
    document["webhooks"] = {event: {"post": _message(event)} for event in (*EVENTS, TEST)}
    return document


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation, one after the other."""
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield path, method, methods[method]


def code_samples(path: str, method: str, sent: Mapping[str, Any]) -> list[dict[str, str]]:
    """The request as a line for the shell and as Python."""
    values = {"workspace_id": Settings.model_fields["workspace_id"].default, **sent.get("path", {})}
    target = re.sub(r"\{(\w+)\}", lambda found: quote(str(values[found[1]]), safe=""), path)
    query, body = sent.get("query", {}), sent.get("body")
    address = f'"$METRIC_STORE_URL{target}"' if not query else f'"$METRIC_STORE_URL{target}?{urlencode(query)}"'
    words = ["curl -sS", *([] if method == "get" else [f"-X {method.upper()}"])]
    words.append('-H "Authorization: Bearer $METRIC_STORE_KEY"')
    arguments = [repr(target)] + ([f"params={query!r}"] if query else [])
    if body is not None:
        words += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(orjson.dumps(body).decode())}"]
        arguments.append(f"json={body!r}")
    python = (
        "import os\nfrom pipeline.client import MetricStore\n\n"
        'with MetricStore(os.environ["METRIC_STORE_URL"], os.environ.get("METRIC_STORE_KEY")) as store:\n'
        f"    print(store.{method}({', '.join(arguments)}).text)\n"
    )
    return [
        {"lang": "Shell", "label": "curl", "source": " \\\n  ".join([*words, address])},
        {"lang": "Python", "label": "Python", "source": python},
    ]


def _first_sentence(text: str) -> str:
    """Of a docstring: up to the first full stop."""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return re.split(r"\.(?:\s|$)", paragraph, maxsplit=1)[0]


def _describe_answers(operation: dict[str, Any]) -> None:
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        if status >= "400" and "application/json" in content:
            content[MEDIA_TYPE] = content.pop("application/json")
        response.setdefault("headers", {})[HEADER] = _ID
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    if "offset" in names:
        operation["responses"]["200"]["headers"]["Link"] = _LINK


def _show(operation: dict[str, Any], example: Mapping[str, Any]) -> None:
    sent = example["sent"]
    for parameter in operation.get("parameters", []):
        values = sent.get({"path": "path", "query": "query"}.get(parameter["in"], ""), {})
        if parameter["name"] in values:
            parameter["example"] = values[parameter["name"]]
    if sent.get("body") is not None:
        operation["requestBody"]["content"]["application/json"]["example"] = sent["body"]
    content = operation["responses"][str(example["status"])].get("content", {})
    if example["media_type"] in content:
        content[example["media_type"]]["example"] = example["answer"]


def _message(event: str) -> dict[str, Any]:
    body = {
        "type": "object",
        "required": ["type", "timestamp", "workspace_id", "data"],
        "properties": {
            "type": {"const": event},
            "timestamp": {"type": "string", "format": "date-time"},
            "workspace_id": {"type": "string", "format": "uuid"},
            "data": {"type": "object"},
        },
    }
    headers = {
        "webhook-id": "The same for every attempt: drop a message that was seen.",
        "webhook-timestamp": "Seconds since 1970; drop what is older than five minutes.",
        "webhook-signature": "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; two of them in the day "
        "after a rotation (Standard Webhooks).",
    }
    sentence = _MESSAGES.get(event, f"The alarm `{event}`; `data` says of which metric, and its numbers.")
    return {
        "operationId": f"receive-{event}",
        "summary": sentence.partition(";")[0].rstrip("."),
        "description": f"{sentence} Sent to every receiver that asked for `{event}`, at least once.",
        "tags": ["alarms"],
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"2XX": {"description": "It was taken. Any other answer is tried again for a day."}},
    }
