"""What is wrong with definition files, each case with file, line and advice; and that it costs nothing else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalog import Catalog, Problem, load_catalog
from pipeline.settings import Settings

HEAD = "definitions:\n"


def entry(key: str = "sound", **fields: Any) -> str:
    """YAML of one sound definition with some fields changed; None leaves a field out."""
    values: dict[str, Any] = {
        "key": key,
        "name": f"Name of {key}",
        "metric_type": "numerical",
        "source": "call_intelligence",
        "event_types": "[call_intelligence.row]",
        "extract_path": "$.quality_score",
        "aggregation": "avg",
        "unit": "score",
    }
    values.update(fields)
    lines = [f"{name}: {value}" for name, value in values.items() if value is not None]
    return "  - " + "\n    ".join(lines) + "\n"


def formula(key: str, text: str, **fields: Any) -> str:
    return entry(key, extraction_mode="formula", extract_path=None, formula=f"'{text}'", **fields)


def write(settings: Settings, text: str | bytes, name: str = "own.yaml") -> Path:
    path = settings.definitions / "metrics" / "custom" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load(settings: Settings, text: str | bytes) -> Catalog:
    write(settings, text)
    return load_catalog(settings)


def own(catalog: Catalog) -> list[str]:
    return [metric.key for metric in catalog.metrics if not metric.shipped]


def only_error(catalog: Catalog) -> Problem:
    assert len(catalog.errors) == 1, catalog.errors
    return catalog.errors[0]


def test_a_sound_file_has_no_problem(settings: Settings) -> None:
    catalog = load(settings, HEAD + entry())
    metric = catalog.get("sound")
    assert not catalog.problems
    assert (metric.managed_by, metric.file, metric.line) == ("file", "definitions/metrics/custom/own.yaml", 2)
    assert not metric.definition.builtin
    assert own(catalog) == ["sound"]


def test_a_file_cannot_make_itself_built_in(settings: Settings) -> None:
    catalog = load(settings, HEAD + entry(builtin="true"))
    assert not catalog.get("sound").definition.builtin


@pytest.mark.parametrize(
    ("text", "line", "field", "found", "advice"),
    [
        ("definitions:\n  - key: [a\n", 3, "file", "expected", "quotes"),
        ("definitions:\n- key: a\n\tname: b\n", 3, "file", "'\\t'", "indentation"),
        ("- key: a\n", 1, "file", "no list named definitions", "definitions:"),
        ("definitions: none\n", 1, "file", "no list", "definitions:"),
        ("a: 1\n---\nb: 2\n", 2, "file", "second YAML document", "one per file"),
        ("definitions: !!python/object:os.system []\n", 1, "file", "tag", "remove it"),
        (HEAD + entry(colour="red"), 10, "definitions[0].colour", "unknown field colour", "remove it"),
        (HEAD + entry(agregation="avg"), 10, "definitions[0].agregation", "unknown field", "did you mean aggregation?"),
        (HEAD + entry(name=None), 2, "definitions[0].name", "nothing", "required"),
        (HEAD + entry(name="12"), 3, "definitions[0].name", "12", "quotes"),
        (HEAD + entry("Bad-Key"), 2, "definitions[0].key", "'Bad-Key'", "lower-case"),
        (HEAD + entry(metric_type="numeric"), 4, "definitions[0].metric_type", "'numeric'", "did you mean numerical?"),
        (HEAD + entry() + "    unit: again\n", 10, "definitions[0].unit", "line 9", "keep one"),
        (HEAD + entry() + HEAD + entry("again"), 10, "definitions", "first on line 1", "keep one"),
        (HEAD + entry(valid_range_max=".nan"), 10, "definitions[0].valid_range_max", "nan", "finite"),
        (HEAD + entry(valid_range_max=".inf"), 10, "definitions[0].valid_range_max", "inf", "finite"),
        (HEAD + entry(valid_range_max="9" * 400), 10, "definitions[0].valid_range_max", "inf", "finite"),
        (HEAD + entry(valid_range_min=5, valid_range_max=5), 11, "definitions[0].valid_range_max", "5", "above"),
        (HEAD + entry(freshness_sla_minutes=4), 10, "definitions[0].freshness_sla_minutes", "4", "or equal to 5"),
        (HEAD + entry(extract_path="quality"), 7, "definitions[0].extract_path", "quality", "$.quality"),
        (HEAD + entry(extract_path="'$.a['"), 7, "definitions[0].extract_path", "not a JSONPath", "quote"),
        (HEAD + entry(extract_path=None), 2, "definitions[0].extract_path", "nothing", "count"),
        (HEAD + entry(source_filter="1 = 1"), 10, "definitions[0].source_filter", "`1`", "column"),
        (HEAD + entry(source_filter="secret = 'x'"), 10, "definitions[0].source_filter", "secret", "columns are"),
        (HEAD + entry(aggregation="rate"), 8, "definitions[0].aggregation", "rate of a numerical", "boolean"),
        (HEAD + entry(metric_type="boolean"), 8, "definitions[0].aggregation", "avg of a boolean", "rate"),
        (HEAD + entry(categories="[a]"), 10, "definitions[0].categories", "numerical", "categorical"),
        (HEAD + entry(fold="any", scope="turn"), 10, "definitions[0].fold", "any of a numerical", "avg"),
        (HEAD + entry(participant_role="agent"), 10, "definitions[0].participant_role", "conversation", "scope: turn"),
        (HEAD + entry(event_types="[other]"), 6, "definitions[0].event_types", "other", "call_intelligence.row"),
        (HEAD + entry(source="custom", event_types="[x]"), 2, "definitions[0].custom_source_key", "nothing", "domain"),
        (
            HEAD + entry(extraction_mode="sql_expr", sql_expression="'1'", extract_path=None),
            9, "definitions[0].extraction_mode", "sql_expr", "built-ins only",
        ),
        (
            HEAD + entry(extraction_mode="ai_query", extract_path=None),
            2, "definitions[0].ai_query_prompt", "nothing", "needs it",
        ),
        (
            HEAD + entry(extraction_mode="ai_query", extract_path=None, ai_query_prompt="x" * 8001),
            10, "definitions[0].ai_query_prompt", "8,001 characters", "at most 8000",
        ),
        (
            HEAD + entry(extraction_mode="ai_query", extract_path=None, ai_query_prompt="Rate {$.a[}."),
            10, "definitions[0].ai_query_prompt", "$.a[", "quote",
        ),
        (
            HEAD + entry(extraction_mode="pattern", extract_path=None, metric_type="boolean", aggregation="rate",
                         pattern="{regex: '(?=x)'}"),
            10, "definitions[0].pattern.regex", "(?=x)", "RE2",
        ),
        (
            HEAD + entry(extraction_mode="pattern", extract_path=None, metric_type="boolean", aggregation="rate",
                         pattern="{regex: 'a(', role: agent}"),
            10, "definitions[0].pattern.regex", "missing )", "RE2",
        ),
        (
            HEAD + entry(extraction_mode="pattern", extract_path=None,
                         pattern="{keywords: [x], result: count, within_turns: 2}"),
            10, "definitions[0].pattern.within_turns", "without outcome", "add outcome",
        ),
        (
            HEAD + entry(extraction_mode="ai_query", ai_query_prompt="Rate.", extract_path=None,
                         scale="{min: 1, max: 5, bands: [{range_min: 1, range_max: 3, label: a}, "
                               "{range_min: 3, range_max: 5, label: b}]}"),
            11, "definitions[0].scale.bands[1]", "3 to 5", "above 3",
        ),
        (
            HEAD + entry(aggregation="ratio", extract_path=None, ratio_numerator_metric="call_count"),
            7, "definitions[0].aggregation", "ratio_numerator_metric", "both ends",
        ),
        (
            HEAD + entry(extraction_mode="pattern", extract_path=None, pattern="{keywords: [x, ' '], result: count}"),
            10, "definitions[0].pattern.keywords[1]", "' '", "write a word",
        ),
        (
            HEAD + entry(source="world_events", event_types="[x]", gate="completed_rate"),
            10, "definitions[0].gate", "single events", "add a fold",
        ),
        (HEAD + formula("f", "quality_scor > 1"), 10, "definitions[0].formula", "quality_scor", "did you mean"),
        (HEAD + formula("f", "voice_quality_score + "), 10, "definitions[0].formula", "cannot be read", "brackets"),
        (HEAD + formula("f", "completed_rate + 1"), 10, "definitions[0].formula", "completed_rate", "number is needed"),
        (HEAD + formula("f", "voice_quality_score > 1"), 10, "definitions[0].formula", "boolean", "metric_type"),
        (HEAD + formula("f", "surface_created_count"), 10, "definitions[0].formula", "each event", "fold"),
        (HEAD + formula("f", "surface_open_ratio"), 10, "definitions[0].formula", "ratio of periods", "two ends"),
        (HEAD + entry(gate="voice_quality_score"), 10, "definitions[0].gate", "number where a boolean", "condition"),
        (
            HEAD + entry(extraction_mode="threshold", extract_path=None, metric_type="boolean", aggregation="rate",
                         threshold="{metric: final_state, operator: '<', value: x}"),
            10, "definitions[0].threshold.operator", "<", "no order",
        ),
        (
            HEAD + entry(extraction_mode="threshold", extract_path=None, metric_type="boolean", aggregation="rate",
                         threshold="{metric: call_cuont, operator: '<', value: 1}"),
            10, "definitions[0].threshold.metric", "call_cuont", "call_count",
        ),
        (HEAD + formula("f", "f + 1"), 10, "definitions[0].formula", "cycle f → f", "break it"),
        (
            HEAD + entry(extraction_mode="python", extract_path=None, python_file="absent.py"),
            10, "definitions[0].python_file", "No such file", "python/absent.py",
        ),
        (
            HEAD + entry(extraction_mode="python", extract_path=None, python_file="../../evil.py"),
            10, "definitions[0].python_file", "evil.py", "ends in .py",
        ),
    ],
)  # fmt: skip
def test_every_mistake_has_its_place_and_advice(
    settings: Settings, text: str, line: int, field: str, found: str, advice: str
) -> None:
    catalog = load(settings, text)
    problem = only_error(catalog)
    assert problem.file == "definitions/metrics/custom/own.yaml"
    assert (problem.line, problem.field) == (line, field), problem
    assert found in problem.found, problem
    assert advice in problem.advice, problem
    assert str(problem).startswith(f"{problem.file}:{line}: error: ")
    assert own(catalog) == []
    assert catalog.by_key.keys() == load_catalog(Settings(definitions=settings.definitions / "none")).by_key.keys()


def test_a_flow_mapping_is_that_of_yaml_1_2(settings: Settings) -> None:
    """The reader in C knows only YAML 1.1, which wants quotes around a colon there."""
    fields = ", ".join(line.strip() for line in entry("flow", unit="a:b").strip("- \n").splitlines())
    catalog = load(settings, HEAD + f"  - {{{fields}}}\n")
    assert not catalog.problems
    assert catalog.get("flow").definition.unit == "a:b"


def test_every_problem_at_once_and_nothing_else_lost(settings: Settings) -> None:
    write(
        settings, HEAD + entry("one", colour="red", aggregation="mean") + entry("two") + entry("three", unit="x" * 40)
    )
    write(settings, "definitions: [", "broken.yaml")
    write(settings, HEAD + entry("four"), "nested/deeper.yml")
    catalog = load_catalog(settings)
    assert own(catalog) == ["four", "two"]
    assert [(Path(p.file).name, p.field) for p in catalog.errors] == [
        ("broken.yaml", "file"),
        ("own.yaml", "definitions[0].aggregation"),
        ("own.yaml", "definitions[0].colour"),
        ("own.yaml", "definitions[2].unit"),
    ]


def test_two_definitions_of_one_key_name_both_places(settings: Settings) -> None:
    write(settings, HEAD + entry("twice"), "a.yaml")
    write(settings, HEAD + entry("other") + entry("twice", unit="ms"), "b.yaml")
    catalog = load_catalog(settings)
    problem = only_error(catalog)
    assert (problem.file, problem.line) == ("definitions/metrics/custom/b.yaml", 10)
    assert "definitions/metrics/custom/a.yaml:2" in problem.found
    assert catalog.get("twice").definition.unit == "score"


def test_a_built_in_key_cannot_be_reused(settings: Settings) -> None:
    catalog = load(settings, HEAD + entry("call_count"))
    problem = only_error(catalog)
    assert (problem.line, problem.field) == (2, "definitions[0].key")
    assert "built-in" in problem.found
    assert "definitions/metrics/builtin/volume_and_outcome.yaml" in problem.found
    assert catalog.get("call_count").managed_by == "builtin"


def test_a_users_key_takes_the_place_of_the_library_s(settings: Settings) -> None:
    assert load_catalog(settings).get("word_count").managed_by == "library"
    catalog = load(settings, HEAD + entry("word_count"))
    assert not catalog.problems
    assert (catalog.get("word_count").managed_by, catalog.get("word_count").definition.unit) == ("file", "score")
    broken = load(settings, HEAD + entry("word_count", colour="red"))
    assert only_error(broken).field == "definitions[0].colour"
    assert "word_count" not in broken.by_key


def test_the_fifty_first_custom_metric(settings: Settings) -> None:
    catalog = load(settings, HEAD + "".join(entry(f"metric_{number}") for number in range(1, 53)))
    assert len(own(catalog)) == 50
    assert [(p.line, p.found) for p in catalog.errors] == [
        (402, "custom metric number 51"),
        (410, "custom metric number 52"),
    ]
    assert "at most 50" in catalog.errors[0].advice


def test_a_cycle_is_reported_with_its_path_and_takes_its_readers_along(settings: Settings) -> None:
    text = formula("a", "b + 1") + formula("b", "c + 1") + formula("c", "a + 1") + formula("d", "c * 2") + entry("e")
    catalog = load(settings, HEAD + text)
    assert own(catalog) == ["e"]
    assert [p.found for p in catalog.errors] == ["the cycle a → b → c → a"] * 3 + ["c, which is left out"]
    assert [p.line for p in catalog.errors] == [10, 19, 28, 37]


def test_readers_of_a_broken_definition_are_left_out_with_it(settings: Settings) -> None:
    catalog = load(
        settings, HEAD + entry("bad", colour="red") + formula("reader", "bad + 1") + formula("far", "reader + 1")
    )
    assert own(catalog) == []
    assert [p.found for p in catalog.errors[1:]] == ["bad, which is left out", "reader, which is left out"]


def test_a_reader_comes_after_what_it_reads(settings: Settings) -> None:
    catalog = load(settings, HEAD + formula("last", "middle + 1") + formula("middle", "first + 1") + entry("first"))
    assert not catalog.errors
    assert own(catalog) == ["first", "middle", "last"]
    assert {metric.key for metric in catalog.select(["last"])} == {"first", "middle", "last"}


def test_not_utf8_names_the_byte(settings: Settings) -> None:
    problem = only_error(load(settings, b"definitions:\n  # caf\xe9\n"))
    assert problem.line == 2
    assert "byte 0xe9 at offset 20" in problem.found
    assert "UTF-8" in problem.advice


def test_an_empty_file_and_a_comment_are_no_problem(settings: Settings) -> None:
    assert not load(settings, "").problems
    assert not load(settings, "# later\n").problems


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{chr(c + 1)}: &{chr(c + 1)} [{','.join(['*' + chr(c)] * 10)}]\n" for c in range(ord("a"), ord("i"))
        ), "50,000 values"),
        ("a: &a [*a]\n", "*a"),
        ("definitions: " + "[" * 5000, "32 levels"),
        ("definitions: " + "{a: " * 5000, "32 levels"),
        ("- " * 5000, "32 levels"),
        ("definitions:\n" + "  - x\n" * 75_000, "50,000 values"),
        ("#" * (5 * 2**20 + 1), "5,242,881 bytes"),
        ("? [a, b]\n: c\n", "as a key"),
        ("a: \"\\0\"\n", "NUL"),
        ("a: \"\\ud800\"\n", "surrogate"),
    ],
)  # fmt: skip
def test_hostile_yaml_is_refused_quickly(settings: Settings, text: str, found: str) -> None:
    start = time.process_time()
    problem = only_error(load(settings, text))
    assert found in problem.found
    assert time.process_time() - start < 20  # not a benchmark: an alias bomb would take hours


def test_an_anchor_may_be_used(settings: Settings) -> None:
    first = entry("one", event_types="&events [call_intelligence.row]")
    assert own(load(settings, HEAD + first + entry("two", event_types="*events"))) == ["one", "two"]


def test_a_file_without_permission(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(settings, HEAD + entry())
    path.chmod(0)
    read = Path.read_bytes

    def refused(self: Path) -> bytes:  # root may read any file, so the refusal is staged
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", refused)
    problem = only_error(load_catalog(settings))
    assert "Permission denied" in problem.found


def test_definitions_sent_over_http(settings: Settings) -> None:
    body = {
        "key": "sent",
        "name": "Sent",
        "metric_type": "numerical",
        "source": "call_intelligence",
        "event_types": ["call_intelligence.row"],
        "extract_path": "$.quality_score",
        "aggregation": "avg",
        "unit": "score",
    }
    write(settings, HEAD + entry("taken"))
    python = {**body, "key": "code", "extraction_mode": "python", "python_file": "x.py"}
    del python["extract_path"]
    sent = [body, {**body, "key": "taken"}, {**body, "key": "wrong", "colour": "red"}, python, "nonsense"]
    catalog = load_catalog(settings, api_definitions=sent)  # type: ignore[arg-type]
    assert catalog.get("sent").managed_by == "api"
    assert own(catalog) == ["taken", "sent"]
    assert [(p.file, p.line, p.field) for p in catalog.errors] == [
        ("settings", None, "definitions[1].key"),
        ("settings", None, "definitions[2].colour"),
        ("settings", None, "definitions[3].extraction_mode"),
        ("settings", None, "definitions[4]"),
    ]


def test_overrides_of_built_ins(settings: Settings) -> None:
    write(settings, HEAD + entry("mine"))
    path = settings.definitions / "metrics" / "overrides.yaml"
    path.write_text(
        "overrides:\n  call_count: {active: false, freshness_sla_minutes: 30}\n"
        "  call_cuont: {active: false}\n  mine: {active: false}\n"
    )
    catalog = load_catalog(settings)
    definition = catalog.get("call_count").definition
    assert (definition.active, definition.freshness_sla_minutes) == (False, 30)
    assert "call_count" not in {metric.key for metric in catalog.active}
    assert [(p.file, p.line) for p in catalog.errors] == [
        ("definitions/metrics/overrides.yaml", 3),
        ("definitions/metrics/overrides.yaml", 4),
    ]
    assert "call_count" in catalog.errors[0].advice
    path.write_text("overrides:\n  call_count: {name: Calls}\n")
    assert "unknown field name" in only_error(load_catalog(settings)).found


def test_a_group_is_switched_and_a_key_wins_over_it(settings: Settings) -> None:
    path = settings.definitions / "metrics" / "overrides.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(
        "groups:\n  Voice judge: {active: true}\n  Voice juge: {active: true}\n"
        "overrides:\n  voice_judge_pacing: {active: false}\n"
    )
    catalog = load_catalog(settings)
    group = [metric for metric in catalog.metrics if metric.definition.group == "Voice judge"]
    assert [metric.key for metric in group if not metric.definition.active] == ["voice_judge_pacing"]
    assert len(group) == 13
    problem = only_error(catalog)
    assert (problem.line, problem.field) == (3, "groups.Voice juge")
    assert "Voice judge" in problem.advice


def test_what_reads_a_metric_that_is_switched_off(settings: Settings) -> None:
    catalog = load(settings, HEAD + entry("off", active="false") + formula("reader", "off + 1"))
    assert own(catalog) == ["off"]
    assert "switched off" in only_error(catalog).found


def test_source_mappings_of_the_user_win(settings: Settings) -> None:
    shipped = load_catalog(settings).sources
    assert {"star", "tau2"} <= shipped.keys()
    folder = settings.definitions / "sources"
    folder.mkdir(parents=True)
    (folder / "broken.yaml").write_text("key: Broken-Key\n")
    catalog = load_catalog(settings)
    assert catalog.sources.keys() == shipped.keys()
    assert ("definitions/sources/broken.yaml", "key") in {(p.file, p.field) for p in catalog.errors}
