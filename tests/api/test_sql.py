"""SQL of keys: whatever its text says, it sees only what the key may see, and takes no more than its share."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import httpx2
import orjson
import pytest
from api_server import NOW, OURS, THEIRS, Server, conversation, insert, period, serving, start, value

from pipeline.errors import ExpressionError
from pipeline.reports.guarded_sql import TABLES, guard
from pipeline.reports.readable import Rights
from pipeline.reports.sql_copies import SqlCopies
from pipeline.reports.sql_worker import open_files, rows_of
from pipeline.store.snapshot import snapshot_reader
from pipeline.workspace.keys import create_key

CONTROL = ("api_keys", "workspace_access", "settings_revisions", "audit_log", "judge_answers", "webhooks")
SPOKEN, HIDDEN, MEASURE = "canary-spoken", "canary_hidden", "canary-measure"
CLASSES = {
    "everything": (Rights(OURS, None, transcripts=True), ()),
    "no transcripts": (Rights(OURS, None, transcripts=False), (SPOKEN,)),
    "one metric": (Rights(OURS, ("voice_quality_score",), transcripts=True), (HIDDEN, MEASURE)),
    "neither": (Rights(OURS, ("voice_quality_score",), transcripts=False), (SPOKEN, HIDDEN, MEASURE)),
}
"""Classes of rights, each with the words that it must never read."""


def add_canaries(server: Server) -> None:
    """Words in every place that one class of rights or another may not read; their rows hold their workspace's id."""
    rows: dict[str, list[dict[str, Any]]] = {
        "metric_definitions": [],
        "metric_values": [],
        "metric_periods": [],
        "conversations": [],
        "events": [],
    }
    for workspace in (OURS, THEIRS):
        for key in (HIDDEN, "voice_quality_score"):
            body = orjson.dumps({"key": key, "extraction_mode": "static"}).decode()
            rows["metric_definitions"].append(
                {
                    "workspace_id": workspace,
                    "key": key,
                    "version": "open",
                    "metric_type": "categorical",
                    "managed_by": "file",
                    "body": body,
                    "valid_from": NOW,
                    "valid_to": None if key == HIDDEN else NOW,  # another version of it is in force
                }
            )
            spoken = {"value_text": SPOKEN, "reasoning": SPOKEN, "evidence": orjson.dumps(SPOKEN).decode()}
            rows["metric_values"].append(value(key, "open", "call-1", 1.0, workspace_id=workspace, **spoken))
            said = {"metric_type": "categorical", "value_text": SPOKEN, "workspace_id": workspace}
            rows["metric_periods"].append(period(key, "open", NOW, 1.0, **said))
            rows["metric_periods"].append(period(key, "open", NOW, 1.0, **said, category=SPOKEN))
        turn = {"index": 0, "role": "user", "text": SPOKEN, "data": orjson.dumps({"fact": MEASURE}).decode()}
        rows["conversations"].append(
            conversation(
                f"canary-{workspace[-1]}",
                workspace_id=workspace,
                final_state=MEASURE,
                turns=[turn],
                intelligence=orjson.dumps({"summary": SPOKEN, "state": MEASURE}).decode(),
            )
        )
        for kind in ("user.turn", "call_intelligence.row"):
            rows["events"].append(
                {
                    "workspace_id": workspace,
                    "event_id": f"{kind}-{workspace[-1]}",
                    "event_type": kind,
                    "ingested_at": NOW,
                    "traffic": "production",
                    "data": orjson.dumps({"text": SPOKEN, "fact": MEASURE}).decode(),
                    "source_key": "test",
                    "file_id": "file",
                }
            )
    with server.store.transaction() as con:
        for table, given in rows.items():
            insert(con, table, given)
    server.store.publish()


@pytest.fixture(scope="module")
def walled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings, store, keys = start(tmp_path_factory.mktemp("walled"), sql_seconds=120.0)  # a busy machine is no limit
    server = Server("", settings, store, keys)
    add_canaries(server)
    with serving(settings) as url:
        yield Server(url, settings, store, keys)


@pytest.fixture(scope="module")
def copies(walled: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, str]]]:
    """The files that each class of rights is given."""
    reader = snapshot_reader(walled.settings, "data", {"threads": 1})
    made = SqlCopies(reader, tmp_path_factory.mktemp("copies"), 10**9)
    yield {name: made.take(rights, TABLES).files for name, (rights, _) in CLASSES.items()}
    made.close()
    reader.close()


class Generator:
    """Random queries; many are refused or fail, as a stranger's would."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.named: list[str] = []

    def pick(self, *choices: str) -> str:
        return self.random.choice(choices)

    def query(self, depth: int = 3) -> str:
        before = list(self.named)
        head = ""
        if depth > 0 and self.random.random() < 0.3:
            parts = []
            for _ in range(self.random.randint(1, 2)):
                name = self.pick(*TABLES, *CONTROL, "a", "b")
                body = self.query(depth - 1)
                parts.append(f"{name} AS {self.pick('', 'MATERIALIZED ', 'NOT MATERIALIZED ')}({body})")
                self.named.append(name)
            head = f"WITH {self.pick('', 'RECURSIVE ')}{', '.join(parts)} "
        text = head + self.select(depth)
        if depth > 0 and self.random.random() < 0.25:
            operation = self.pick("UNION", "UNION ALL", "EXCEPT", "INTERSECT", "UNION BY NAME", "UNION ALL BY NAME")
            text = f"{text} {operation} {self.select(depth - 1)}"
        self.named = before
        return text

    def select(self, depth: int) -> str:
        plain = self.random.random() < 0.6
        columns = "*" if plain else self.pick("t", "t.*", "count(*)", "list(t)", "COLUMNS(*)", self.scalar(depth))
        text = f"SELECT {columns} FROM {self.source(depth)}"
        if self.random.random() < 0.3:
            text += f" WHERE {self.condition(depth)}"
        if plain and self.random.random() < 0.1:
            text += f" QUALIFY row_number() OVER (ORDER BY {self.scalar(depth)}) < 9"
        if plain and self.random.random() < 0.15:
            text += f" ORDER BY {self.pick('1', 'ALL', self.scalar(depth))}"
        return text

    def table(self) -> str:
        draw = self.random.random()
        if draw < 0.03:
            return self.pick(*CONTROL, "information_schema.columns", "duckdb_tables()", "main.events", "sqlite_master")
        if draw < 0.2 and self.named:
            return self.pick(*self.named)
        return self.pick(*TABLES)

    def source(self, depth: int) -> str:
        draw = self.random.random()
        if depth <= 0 or draw < 0.25:
            return f"{self.table()} t"
        if draw < 0.55:
            condition = self.pick("true", "t.workspace_id <> u.workspace_id")
            inner = f"{self.table()} t {self.join()} {self.table()} u ON {condition}"
            for _ in range(self.random.randint(0, 3)):
                inner = f"({inner})"
            return f"({inner} {self.join()} {self.table()} w ON w.workspace_id <> t.workspace_id)"
        if draw < 0.7:
            return f"({self.query(depth - 1)}) t"
        if draw < 0.8:
            return f"{self.table()} t, LATERAL ({self.query(depth - 1)}) l"
        if draw < 0.83:
            return f"(PIVOT {self.table()} ON workspace_id USING count(*)) t"
        if draw < 0.9:
            return f"{self.table()} t SEMI JOIN ({self.query(depth - 1)}) s ON true"
        return f"(FROM {self.table()}) t, {self.table()} v"

    def join(self) -> str:
        return self.pick("JOIN", "LEFT JOIN", "FULL JOIN", "RIGHT JOIN")

    def scalar(self, depth: int) -> str:
        if depth <= 0:
            return "1"
        inner = self.query(depth - 1)
        return self.pick(f"(SELECT list(s) FROM ({inner}) s)", f"(SELECT first(s) FROM ({inner}) s)", "t.workspace_id")

    def condition(self, depth: int) -> str:
        if depth <= 0:
            return f"workspace_id {self.pick('=', '<>')} '{OURS}'"
        return self.pick(
            f"EXISTS ({self.query(depth - 1)})",
            f"t.workspace_id IN (SELECT workspace_id FROM {self.table()})",
            f"'x' NOT IN (SELECT x.workspace_id FROM {self.table()} y JOIN {self.table()} x ON true)",
            "true",
        )


@pytest.mark.parametrize("queries", [pytest.param(2000, marks=pytest.mark.long), 250])
def test_generated_queries_never_read_what_the_key_may_not(copies: dict[str, dict[str, str]], queries: int) -> None:
    """Each runs as it would over HTTP, and once more past the parser, on the same files."""
    generator = Generator(20)
    said = {"guarded": 0, "bare": 0}
    names = list(CLASSES)
    databases = {name: open_files(files, 2**28) for name, files in copies.items()}
    for number in range(queries):
        sql, name = generator.query(), names[number % len(names)]
        answers = {"guarded": answer_of(databases[name], sql, guarded=True)}
        if number % 5 == 0:
            answers["bare"] = answer_of(databases[name], sql, guarded=False)
        for way, answer in answers.items():
            said[way] += bool(answer)
            for word in (THEIRS, *CLASSES[name][1]):
                assert word not in answer, (name, way, sql)
    assert said["guarded"] > queries / 5
    assert said["bare"] > queries / 25


def answer_of(con: duckdb.DuckDBPyConnection, sql: str, *, guarded: bool) -> str:
    """Rows of a query on the database of a class, as its process has it; nothing when it is refused or fails."""
    timer = threading.Timer(1, con.interrupt)
    timer.start()
    try:
        text = guard(sql, 50).sql if guarded else f"SELECT * FROM ({sql}) LIMIT 50"
        return ",".join(rows_of(con.execute(text), 50, 2**20)[0])
    except (duckdb.Error, ExpressionError):
        return ""
    finally:
        timer.cancel()


@pytest.mark.parametrize("name", CLASSES)
def test_the_files_of_a_class_hold_no_word_that_it_may_not_read(copies: dict[str, dict[str, str]], name: str) -> None:
    con = open_files(copies[name], 2**28)
    for table in TABLES:
        text = ",".join(rows_of(con.execute(f"FROM {table}"), 10_000, 2**24)[0])
        for word in (THEIRS, *CLASSES[name][1]):
            assert word not in text, table
    everything = "".join(",".join(rows_of(con.execute(f"FROM {t}"), 10_000, 2**24)[0]) for t in TABLES)
    for word in {SPOKEN, HIDDEN, MEASURE} - set(CLASSES[name][1]):
        assert word in everything, "a canary that nobody sees proves nothing"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT content FROM read_text('/etc/passwd')",
        "ATTACH '/etc/passwd' AS x",
        "COPY (SELECT 1) TO '/tmp/metric-store-test.csv'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '10GB'",
        "SET enable_external_access = TRUE",
        "RESET lock_configuration",
        "FROM copies",
        "CREATE SECRET s (TYPE s3)",
    ],
)
def test_the_database_of_a_query_reaches_nothing_else(copies: dict[str, dict[str, str]], sql: str) -> None:
    con = open_files(copies["everything"], 2**28)
    with pytest.raises(duckdb.Error):
        con.execute(sql).fetchall()


def workers() -> dict[int, dict[str, str]]:
    """The processes of queries that we started, each with its environment."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and b"sql_worker" in (folder / "cmdline").read_bytes():
                pairs = (folder / "environ").read_bytes().split(b"\0")
                found[int(folder.name)] = dict(pair.decode().split("=", 1) for pair in pairs if pair)
        except OSError:
            continue  # it ended while we looked
    return {pid: environment for pid, environment in found.items() if _ours(pid)}


def _ours(pid: int) -> bool:
    while pid > 1:
        if pid == os.getpid():
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            return False
    return False


def resident(pids: set[int]) -> int:
    total = 0
    for pid in pids:
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            continue
    return total


DOUBLING = ", ".join(f"a{n} AS (SELECT * FROM a{n - 1} UNION ALL SELECT * FROM a{n - 1})" for n in range(1, 23))
HEAVY = {
    "a long list": "SELECT length(range(500000000))",
    "nested lists": "SELECT list_transform(range(100000), x -> list_transform(range(100000), y -> x * y))",
    "doubling CTEs": f"WITH a0 AS (SELECT * FROM range(100)), {DOUBLING} SELECT count(DISTINCT range) FROM a22",
    "edit distance": "SELECT levenshtein(string_agg(i::VARCHAR, ''), string_agg((i * 7)::VARCHAR, ''))"
    " FROM range(50000) t(i)",
    "wide recursion": "WITH RECURSIVE r AS (SELECT 1 AS n, 'xxxxxxxxxxxxxxxx' AS s UNION ALL SELECT n + 1, s || s"
    " FROM r WHERE n < 60) SELECT sum(length(s)) FROM r",
    "endless recursion": "WITH RECURSIVE t AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM t) SELECT max(a) FROM t",
    "padding": "SELECT length(lpad('x', 2000000000, 'y')) FROM range(10)",
    "a list of everything": "SELECT list(a) FROM events a, range(100000000) b",
}


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_heavy_queries_end_within_their_limits(walled: Server) -> None:
    serve = walled.settings.serve.model_copy(update={"sql_seconds": 5.0, "sql_memory": "200MB"})
    limited = walled.settings.model_copy(update={"serve": serve})
    with serving(limited) as url, Server(url, limited, walled.store, walled.keys).client("viewer") as client:
        assert answers_again(client)
        most = 0
        watching = threading.Event()

        def watch() -> None:
            nonlocal most
            while not watching.wait(0.02):
                most = max(most, resident(set(workers())))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            for name, sql in HEAVY.items():
                answer = client.post("/query", json={"sql": sql})
                assert answer.status_code == 422, (name, answer.text[:200])
                assert "within" in answer.text or "memory" in answer.text, (name, answer.text)
                assert client.get("/metrics").status_code == 200
        finally:
            watching.set()
            watcher.join()
        assert most < 200e6 + 300e6
        assert answers_again(client)


def answers_again(client: httpx2.Client) -> bool:
    """Whether a small query is answered, on a machine that may be too busy to do so at once."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        answer = client.post("/query", json={"sql": "SELECT 1"})
        if answer.status_code == 200:
            return bool(answer.json()["rows"] == [[1]])
    return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_a_process_of_a_query_holds_no_secret(walled: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    settings = walled.settings
    with serving(settings) as url, Server(url, settings, walled.store, walled.keys).client("viewer") as client:
        assert client.post("/query", json={"sql": "SELECT 1"}).status_code == 200
        found = list(workers().values())
        assert found
        assert all(set(environment) <= {"PATH", "LANG", "MALLOC_ARENA_MAX", "LC_CTYPE"} for environment in found)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_whoever_hangs_up_stops_the_query_and_nobody_else_waits(walled: Server) -> None:
    serve = walled.settings.serve.model_copy(update={"sql_seconds": 300.0, "requests_at_once": 100})
    patient = walled.settings.model_copy(update={"serve": serve})
    endless = {"sql": HEAVY["endless recursion"]}
    with serving(patient) as url:
        server = Server(url, patient, walled.store, walled.keys)

        def abandon(_: int) -> None:
            with server.client("viewer") as client, pytest.raises(httpx2.TimeoutException):
                client.post("/query", json=endless, timeout=3)

        with ThreadPoolExecutor(42) as threads, server.client("owner") as owner:
            left = [threads.submit(abandon, number) for number in range(17)]
            time.sleep(1)
            assert owner.get("/metrics").status_code == 200
            assert owner.post("/query", json={"sql": "SELECT 1"}).json()["rows"] == [[1]], (
                "a key of its own has a place"
            )
            for each in left:
                each.result()
            with server.client("viewer") as viewer:  # 300 s would have to pass if one of them still ran
                assert viewer.post("/query", json={"sql": "SELECT 2"}, timeout=60).json()["rows"] == [[2]]


def test_a_key_that_asks_for_too_much_at_once_is_told_so(walled: Server) -> None:
    serve = walled.settings.serve.model_copy(update={"sql_seconds": 0.5, "requests_at_once": 100})
    settings = walled.settings.model_copy(update={"serve": serve})
    with serving(settings) as url:
        server = Server(url, settings, walled.store, walled.keys)

        def ask(_: int) -> httpx2.Response:
            with server.client("viewer") as client:
                return client.post("/query", json={"sql": HEAVY["endless recursion"]}, timeout=300)

        with ThreadPoolExecutor(30) as threads:
            answers = list(threads.map(ask, range(30)))
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert all(answer.headers["retry-after"] for answer in refused)


def test_an_answer_has_at_most_so_many_bytes(walled: Server) -> None:
    serve = walled.settings.serve.model_copy(update={"sql_bytes": 10_000})
    settings = walled.settings.model_copy(update={"serve": serve})
    with serving(settings) as url, Server(url, settings, walled.store, walled.keys).client("viewer") as client:
        cut = client.post("/query", json={"sql": "SELECT lpad('x', 100, 'y') FROM range(1000)"}).json()
        assert cut["truncated"]
        assert 10 < len(cut["rows"]) < 100
        wide = client.post("/query", json={"sql": "SELECT lpad('x', 20000, 'y')"})
        assert wide.status_code == 422
        assert "bytes" in wide.text


def test_queries_read_the_newest_publication_and_old_copies_are_removed(tmp_path: Path) -> None:
    settings, store, keys = start(tmp_path)
    with serving(settings) as url, Server(url, settings, store, keys).client("viewer") as client:
        count = {"sql": "SELECT count(*) FROM conversations"}
        assert client.post("/query", json=count).json()["rows"] == [[9]]
        with store.transaction() as con:
            insert(con, "conversations", [conversation("new")])
        store.publish()
        assert client.post("/query", json=count).json()["rows"] == [[10]]
        assert len(list(settings.home.rglob("*.spill/*/*/*.duckdb"))) == 1
    assert not list(settings.home.rglob("*.spill/*/*/*.duckdb"))


def test_rights_are_those_of_the_key_over_http(walled: Server) -> None:
    made = {
        name: create_key(
            walled.store,
            name,
            "viewer",
            actor="cli",
            now=datetime.now(UTC),
            metrics=rights.metrics,
            transcripts=rights.transcripts,
        )[1]
        for name, (rights, _) in CLASSES.items()
    }
    generator = Generator(77)
    for name, key in made.items():
        with walled.client(key) as client:
            for sql in [f"FROM {table}" for table in TABLES] + [generator.query() for _ in range(10)]:
                answer = client.post("/query", json={"sql": sql})
                assert answer.status_code in (200, 422), answer.text
                for word in (THEIRS, *CLASSES[name][1]):
                    assert word not in answer.text, (name, sql)


def test_labels_that_quote_are_kept_from_keys_without_transcripts_everywhere(walled: Server) -> None:
    """A metric takes what was said as its label: its numbers may be read, its labels not, at any door."""
    quoting = {
        "key": "quoted_words",
        "name": "Words",
        "metric_type": "categorical",
        "source": "world_events",
        "event_types": ["user.turn"],
        "extract_path": "$.text",
        "aggregation": "count",
    }
    with walled.client("owner") as owner:
        assert owner.patch("/settings/metrics", json={"definitions": [quoting]}).status_code == 200
        (version,) = [
            each["version"] for each in owner.get("/metrics/catalog").json()["metrics"] if each["key"] == "quoted_words"
        ]
    with walled.store.transaction() as con:
        defined = {
            "workspace_id": OURS,
            "key": "quoted_words",
            "version": version,
            "metric_type": "categorical",
            "managed_by": "api",
            "body": orjson.dumps(quoting).decode(),
            "valid_from": NOW,
        }
        insert(con, "metric_definitions", [defined])
        said = {"metric_type": "categorical", "aggregation": "count", "value_text": SPOKEN}
        insert(con, "metric_periods", [period("quoted_words", version, NOW, 1.0, **said)])
        insert(con, "metric_periods", [period("quoted_words", version, NOW, 1.0, **said, category=SPOKEN)])
        insert(con, "metric_values", [value("quoted_words", version, "call-1", None, value_text=SPOKEN, status="ok")])
    walled.store.publish()
    key = create_key(walled.store, "deaf", "admin", actor="cli", now=datetime.now(UTC), transcripts=False)[1]
    paths = (
        "/metrics?scope=all",
        "/metrics/quoted_words?scope=all",
        "/metrics/quoted_words/trend?scope=all",
        "/metrics/quoted_words/trend?group_by=category",
        "/metrics/quoted_words/values?status=all&parts=true",
        "/metrics/quoted_words/breakdown?by=category",
        "/calls/call-1/metrics",
        "/conversations/call-1",
        "/conversations/canary-1",
        "/exports/values",
        "/exports/periods",
        "/exports/conversations",
        f'/conversations?filter={{"metric":"quoted_words","op":"eq","value":"{SPOKEN}"}}',
    )
    with walled.client(key) as deaf, walled.client("owner") as owner:
        for path in paths:
            answer = deaf.get(path)
            assert answer.status_code in (200, 403), (path, answer.text)
            assert SPOKEN not in answer.text.replace(f'"{SPOKEN}"', "" if "filter" in path else f'"{SPOKEN}"'), path
        assert SPOKEN in owner.get("/exports/values").text
        assert SPOKEN in owner.get("/exports/periods").text
        assert deaf.post("/metrics/quoted_words/evaluate", json={"subject_id": "call-1"}).status_code == 403
        for changes in (
            {"key": "words_again"},
            {
                "key": "asked",
                "extraction_mode": "ai_query",
                "ai_query_prompt": "What was said?",
                "extract_path": None,
                "source": "call_intelligence",
                "event_types": ["call_intelligence.row"],
            },
            {"key": "digits", "metric_type": "numerical", "aggregation": "max"},
            {
                "key": "found",
                "metric_type": "boolean",
                "extraction_mode": "pattern",
                "pattern": {"regex": "secret"},
                "source": "call_intelligence",
                "event_types": ["call_intelligence.row"],
                "extract_path": None,
            },
        ):
            refused = deaf.patch("/settings/metrics", json={"definitions": [{**quoting, **changes}]})
            assert refused.status_code == 422, (changes, refused.text)
            assert "transcripts" in refused.text, refused.text
        harmless = {**quoting, "key": "stars", "metric_type": "numerical", "extract_path": "$.stars"}
        assert deaf.patch("/settings/metrics", json={"definitions": [harmless]}).status_code == 200


def test_a_list_of_metrics_covers_the_columns_that_are_metrics(walled: Server) -> None:
    key = create_key(walled.store, "few", "viewer", actor="cli", now=datetime.now(UTC), metrics=["from_file"])[1]
    with walled.client(key) as few:  # from_file is $.duration_seconds
        one = few.get("/conversations/call-1").json()
        assert (one["duration_seconds"], one["quality_score"], one["turn_count"]) == (240.0, None, None)
        assert (one["intelligence"], one["turns"][0]["text"]) == (None, "secret words")
        (listed,) = few.get("/conversations?limit=1").json()["conversations"]
        assert (listed["duration_seconds"], listed["final_state"]) == (240.0, None)
        exported = few.get("/exports/conversations?format=ndjson").text.splitlines()
        assert {orjson.loads(line)["quality_score"] for line in exported} == {None}
        answer = few.post("/query", json={"sql": "SELECT duration_seconds FROM conversations LIMIT 1"})
        assert answer.json()["rows"] == [[240.0]]
        assert few.post("/query", json={"sql": "SELECT quality_score FROM conversations"}).status_code == 422


def test_the_total_is_that_of_all_pages(walled: Server) -> None:
    with walled.client("viewer") as client:
        for path in ("/conversations", "/metrics/voice_quality_score/values?status=all"):
            total = client.get(path).json()["total"]
            assert total > 0
            beyond = client.get(
                path, params={"offset": 1000, "status": "all"} if "values" in path else {"offset": 1000}
            )
            assert beyond.json()["total"] == total, path
