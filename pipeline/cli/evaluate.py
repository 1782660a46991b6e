"""`metric-store evaluate`: one metric about given conversations, now; nothing is kept."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli.completion import metric_keys
from pipeline.cli.console import emit, emit_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="evaluate")(evaluate)


def evaluate(
    key: Annotated[str, typer.Argument(help="Key of a judged or python metric.", autocompletion=metric_keys)],
    conversations: Annotated[list[str], typer.Argument(help="Ids of conversations.")],
    prompt: Annotated[
        Path | None, typer.Option("--prompt", help="File with another prompt to try.", exists=True, dir_okay=False)
    ] = None,
    threshold: Annotated[
        str | None, typer.Option("--threshold", help='A condition on the value, for example "value >= 7".')
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Another model of the same endpoint.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Ask a metric's question about conversations and show value, reasoning, evidence, confidence, cost and time.

    Nothing is kept; an answer that is already stored is shown again for nothing.
    """
    from pipeline.extract.on_demand import evaluate_now
    from pipeline.settings import load_settings
    from pipeline.store import Store
    from pipeline.workspace.catalogs import current_catalog

    settings = load_settings()
    text = prompt.read_text(encoding="utf-8") if prompt else None
    catalog, store = current_catalog(settings), Store(settings)
    found = evaluate_now(store, catalog, settings, key, conversations, prompt=text, threshold=threshold, model=model)
    if as_json:
        emit_json([{**asdict(item), "turns": {str(at): text for at, text in item.turns.items()}} for item in found])
    else:
        for item in found:
            _show(item)
    if any(item.status == "error" for item in found):
        raise typer.Exit(1)


def _show(item: Any) -> None:
    """One conversation, for people."""
    passed = {True: "  passed", False: "  failed", None: ""}[item.passed]
    shown = f" = {item.value}" if item.value is not None else ""
    emit(f"{item.conversation_id}  {item.key}{shown}  [{item.status}]{passed}")
    if item.error:
        emit(f"  {item.error}")
    if item.reasoning:
        emit(f"  Reasoning: {item.reasoning}")
    for quote in item.evidence.get("quotes", ()):
        mark = "" if quote["verified"] else "  (unverified: not in the transcript)"
        emit(f"  [{quote['turn']}] “{quote['quote']}”{mark}")
        if said := item.turns.get(quote["turn"]):
            emit(f"      {said}")
    notes = [f"{name} {value}" for name, value in item.evidence.items() if name != "quotes"]
    facts = [f"confidence {item.confidence:.2f}"] if item.confidence is not None else []
    facts += [f"model {item.model}"] if item.model else []
    facts += [*notes, f"{item.tokens_in} + {item.tokens_out} tokens", f"${item.cost_usd:.6f}", f"{item.seconds:.1f} s"]
    facts += ["from the store, not asked again"] if item.reused else []
    emit(f"  {' · '.join(facts)}")
    emit("")
