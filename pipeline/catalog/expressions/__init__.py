"""Formulas, filters and SQL expressions: parsed to an allow-list, rendered to DuckDB SQL, never evaluated in Python."""

from pipeline.catalog.expressions.filters import CONVERSATION_FILTER_COLUMNS as CONVERSATION_FILTER_COLUMNS
from pipeline.catalog.expressions.filters import EVENT_FILTER_COLUMNS as EVENT_FILTER_COLUMNS
from pipeline.catalog.expressions.filters import Filter as Filter
from pipeline.catalog.expressions.filters import parse_filter as parse_filter
from pipeline.catalog.expressions.formulas import Formula as Formula
from pipeline.catalog.expressions.formulas import parse_formula as parse_formula
from pipeline.catalog.expressions.sql_expressions import parse_sql_expression as parse_sql_expression
