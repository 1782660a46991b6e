"""The database: one DuckDB file, one writer at a time, readers on a published snapshot."""

from pipeline.store.database import Store
from pipeline.store.sql import load_sql, run_script, text_list
from pipeline.store.states import STATES

__all__ = ["STATES", "Store", "load_sql", "run_script", "text_list"]
