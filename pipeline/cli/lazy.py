"""The verbs by name, each loaded when it is used: `metric-store --help` must not import a database."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

VERBS = {
    "demo": ("project", "48 hours of sample conversations, extracted, aggregated and explained."),
    "init": ("project", "Make a project folder, with examples to edit."),
    "dev": ("project", "Dagster's page: schedule, backfill, one button for each metric."),
    "doctor": ("doctor", "Is everything there that a run needs, and what to do if not."),
    "settings": ("project", "Each setting, its value, and where it comes from."),
    "ingest": ("work", "Read the landing folder, or explain one record of a file."),
    "run": ("work", "Ingest, extract, aggregate and publish one hour."),
    "backfill": ("work", "Compute the hours of a range, oldest first."),
    "list": ("read", "The newest number of every metric."),
    "get": ("read", "The periods of one metric, newest first."),
    "trend": ("read", "A chart of one metric's last days."),
    "breakdown": ("breakdown", "One metric by service, channel, tag or a field of the summary."),
    "conversation": ("conversation", "One conversation: what was said, and what every metric says."),
    "check": ("check", "Is quality good enough? The exit code says so."),
    "export": ("export", "Conversations, values or period rows as a file."),
    "status": ("status", "Which hours are done, late, missing or failing."),
    "catalog": ("definitions", "The metrics there are."),
    "definitions": ("definitions", "Validate, compare and describe definitions."),
    "define": ("define", "Send definitions to a server."),
    "evaluate": ("evaluate", "Try a metric on one conversation; nothing is stored."),
    "serve": ("serve", "The HTTP API."),
    "keys": ("keys", "API keys: make, list, revoke."),
    "forget": ("forget", "Erase conversations from every table and file."),
    "maintain": ("upkeep", "Daily upkeep of the database."),
    "move": ("upkeep", "Move the store into a lake, or back into a file."),
    "bench": ("bench", "How fast each stage is, beside its floor."),
}
"""By name: the module of this package that registers the verb, and what it does."""


class LazyGroup(TyperGroup):
    """A group whose commands are imported one by one, as they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """The verbs in the order of their table."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """The command of a verb; None for a word that is none."""
        if cmd_name not in VERBS:
            return None
        if cmd_name not in self.commands:
            apart = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
            apart.callback()(lambda: None)  # a group even where the module has one verb
            import_module(f"pipeline.cli.{VERBS[cmd_name][0]}").register(apart)
            self.commands.update(typer.main.get_group(apart).commands)
        return self.commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """List the verbs from their table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, says) for name, (_, says) in VERBS.items()])
