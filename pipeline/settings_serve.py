"""Settings of the HTTP server: limits of requests, of read-only SQL, of what is taken in and of webhooks."""

from __future__ import annotations

from pydantic import BaseModel, ByteSize, ConfigDict, Field, TypeAdapter


class Serve(BaseModel):
    """How much one client may ask of the server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_minute: int = Field(default=600, ge=1, description="Of one key without a limit of its own.")
    requests_at_once: int = Field(default=16, ge=1, description="Of one key, while others are being answered.")
    connections: int = Field(default=1000, ge=1, description="Open at once, of all clients; beyond it 503.")
    header_bytes: int = Field(default=64 * 2**10, ge=1024, description="Of request line and headers; beyond it 431.")
    header_seconds: float = Field(default=20, gt=0, description="For the headers of a request to arrive.")
    cors_origins: tuple[str, ...] = Field(
        default=(), description="Web pages that may call the API from a browser, e.g. https://board.example.com."
    )
    max_body_bytes: int = Field(default=8 * 2**20, ge=1024, description="Larger request bodies are refused.")
    lock_seconds: float = Field(default=30, ge=0, description="How long a write waits for the pipeline's.")
    sql_seconds: float = Field(default=10, gt=0, description="Of one read-only query.")
    sql_rows: int = Field(default=10_000, ge=1, description="That one read-only query may answer.")
    sql_memory: str = Field(
        default="512MB",
        pattern=r"^\d+(\.\d+)?\s?([KMG]i?B)$",
        description="Of all read-only queries together; each has an equal part.",
    )
    sql_bytes: int = Field(default=8 * 2**20, ge=1024, description="That one read-only query may answer.")
    sql_processes: int = Field(default=2, ge=1, le=64, description="Read-only queries at once.")
    sql_for_each_key: int = Field(default=1, ge=1, le=64, description="Read-only queries of one key at once.")
    sql_copies: ByteSize = Field(
        default=ByteSize(20 * 10**9), description="Disk for copies of what keys may read; the least recently used go."
    )
    segment_bytes: int = Field(default=32 * 2**20, ge=1024, description="A segment of events is closed at this size.")
    segment_seconds: float = Field(default=10, gt=0, description="A segment of events is closed at this age.")
    intake_bytes: int = Field(default=64 * 2**20, ge=1024, description="Accepted but not yet on disk; beyond it 503.")
    webhook_hosts: tuple[str, ...] = Field(
        default=(), description="Hosts in private networks that webhooks may call; public ones need no entry."
    )

    @property
    def query_memory_bytes(self) -> int:
        """What one read-only query may use."""
        return TypeAdapter(ByteSize).validate_python(self.sql_memory) // self.sql_processes
