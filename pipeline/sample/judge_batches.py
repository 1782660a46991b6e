"""Files and batches of the sample judge, as far as the judge uses the Batch API."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson

Complete = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]
_JSON = {"content-type": "application/json"}


class Batches:
    """Batches in memory.

    Args:
        complete: answers one line.

    Attributes:
        polls: how often a batch is asked about before it is finished.
        expire_after: lines after which a batch expires, None never.
        created: batches that were submitted.
        offered: whether the server has batches at all.
    """

    def __init__(self, complete: Complete) -> None:
        self.polls = 1
        self.expire_after: int | None = None
        self.created = 0
        self.offered = True
        self._complete = complete
        self._files: dict[str, bytes] = {}
        self._batches: dict[str, dict[str, Any]] = {}
        self._asked: dict[str, int] = {}

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes, dict[str, str]] | None:
        """Answer a request; None when it is for somebody else."""
        if not self.offered:
            return None
        match method, path.removeprefix("/v1/").split("/"):
            case "POST", ["files"]:
                return _reply(self._upload(headers, body))
            case "GET", ["files", file_id, "content"] if file_id in self._files:
                return 200, self._files[file_id], {"content-type": "application/jsonl"}
            case "POST", ["batches"]:
                return _reply(self._create(orjson.loads(body)))
            case "GET", ["batches"]:
                return _reply({"object": "list", "data": list(self._batches.values()), "has_more": False})
            case "GET", ["batches", batch_id] if batch_id in self._batches:
                return _reply(self._poll(batch_id))
        return None

    def _upload(self, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        boundary = headers["content-type"].partition("boundary=")[2].strip('"').encode()
        parts = body.split(b"--" + boundary)
        content = next(part for part in parts if re.search(rb'name="file"', part[:300]))
        return self._keep(content.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n"), "batch")

    def _keep(self, content: bytes, purpose: str) -> dict[str, Any]:
        file_id = f"file-{len(self._files) + 1}"
        self._files[file_id] = content
        now = int(time.time())
        described = {"id": file_id, "object": "file", "bytes": len(content), "created_at": now}
        return described | {"filename": f"{file_id}.jsonl", "purpose": purpose, "status": "processed"}

    def _create(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.created += 1
        batch_id = f"batch_{self.created}"
        self._batches[batch_id] = {
            "id": batch_id,
            "object": "batch",
            "endpoint": asked["endpoint"],
            "input_file_id": asked["input_file_id"],
            "completion_window": asked["completion_window"],
            "created_at": int(time.time()),
            "status": "validating",
            "metadata": asked.get("metadata"),
        }
        return self._batches[batch_id]

    def _poll(self, batch_id: str) -> dict[str, Any]:
        batch = self._batches[batch_id]
        self._asked[batch_id] = self._asked.get(batch_id, 0) + 1
        if batch["status"] in ("completed", "expired"):
            return batch
        if self._asked[batch_id] < self.polls:
            batch["status"] = "in_progress"
            return batch
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        lines = self._files[batch["input_file_id"]].splitlines()
        for line in lines[: self.expire_after]:
            request = orjson.loads(line)
            status, body = self._complete(request["body"])
            answer = {"id": f"line-{len(good) + len(bad)}", "custom_id": request["custom_id"], "error": None}
            (good if status == 200 else bad).append(answer | {"response": {"status_code": status, "body": body}})
        batch["status"] = "completed" if self.expire_after is None else "expired"
        batch["request_counts"] = {"total": len(lines), "completed": len(good), "failed": len(bad)}
        if good:
            batch["output_file_id"] = self._keep(b"\n".join(map(orjson.dumps, good)), "batch_output")["id"]
        if bad:
            batch["error_file_id"] = self._keep(b"\n".join(map(orjson.dumps, bad)), "batch_output")["id"]
        return batch


def _reply(body: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
    return 200, orjson.dumps(body), dict(_JSON)
