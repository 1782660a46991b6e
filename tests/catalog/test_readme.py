"""The examples of definitions/README.md work as they stand."""

from __future__ import annotations

import re

from pipeline.catalog import load_catalog
from pipeline.settings import Settings, builtin_definitions


def test_the_examples_of_the_readme_load(settings: Settings) -> None:
    text = (builtin_definitions() / "README.md").read_text(encoding="utf-8").partition("## Source mappings")[0]
    blocks = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    examples = [block for block in blocks if block.startswith("definitions:")]
    (overrides,) = (block for block in blocks if block.startswith("overrides:"))
    custom = settings.definitions / "metrics" / "custom"
    custom.mkdir(parents=True)
    (custom.parent / "overrides.yaml").write_text(overrides)
    for name in ("policies", "checks"):
        (block,) = (block for block in blocks if block.startswith(f"{name}:"))
        (settings.definitions / f"{name}.yaml").write_text(block)
    for number, block in enumerate(examples):
        (custom / f"example_{number}.yaml").write_text(block)
    catalog = load_catalog(settings)
    assert not catalog.errors
    keys = {key for block in examples for key in re.findall(r"- key: (\w+)", block)}
    assert {metric.key for metric in catalog.metrics if metric.managed_by == "file"} == keys
    assert len(examples) == 5
    assert (catalog.own_checks, len(catalog.policies)) == ({"quick_answers"}, 1)
    assert not catalog.get("silence_ratio").definition.active
    assert catalog.get("voice_judge_clarity").definition.active
