"""Lists of typed rows that become polars frames on request."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

if TYPE_CHECKING:
    import polars as pl

Row = TypeVar("Row", bound=BaseModel)


class Rows(list[Row]):
    """Rows of one answer, in its order."""

    def frame(self) -> pl.DataFrame:
        """The rows as a frame, a column for each field; a value of several types over the rows is text."""
        import polars as pl

        records = [row.model_dump() for row in self]
        kinds = {type(record.get("value")) for record in records} - {type(None)}
        if len(kinds) > 1 and kinds - {int, float}:
            records = [
                {**record, "value": None if record["value"] is None else str(record["value"])} for record in records
            ]
        return pl.DataFrame(records, infer_schema_length=None)
