"""The definitions as an asset with a check, so that a broken file is seen where its metrics are missed."""

import dagster as dg

from pipeline.catalog.catalog import Catalog, Problem
from pipeline.settings import Settings

DEFINITIONS = dg.AssetKey("definitions")


def definitions_asset(settings: Settings) -> dg.AssetSpec:
    """The YAML files, which people change and no run does."""
    return dg.AssetSpec(
        DEFINITIONS,
        group_name="definitions",
        kinds={"yaml"},
        description="The metric definitions and source mappings of the project.",
        metadata={"folder": dg.MetadataValue.path(settings.definitions.absolute())},
    )


def build_catalog_check(catalog: Catalog) -> dg.AssetChecksDefinition:
    """Report every problem of the definitions; a broken one is left out and never keeps the others from loading."""

    @dg.asset_check(
        asset=DEFINITIONS, name="definitions_catalog", description="Every definition and source mapping can be used."
    )
    def definitions_catalog() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(
            passed=not catalog.problems,
            severity=dg.AssetCheckSeverity.ERROR if catalog.errors else dg.AssetCheckSeverity.WARN,
            metadata={
                "metrics": len(catalog.metrics),
                "errors": len(catalog.errors),
                "problems": dg.MetadataValue.table([_record(problem) for problem in catalog.problems], _SCHEMA),
            },
        )

    return definitions_catalog


_SCHEMA = dg.TableSchema(
    [dg.TableColumn(name) for name in ("severity", "file", "field", "found", "advice")]
    + [dg.TableColumn("line", "int")]
)


def _record(problem: Problem) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "severity": problem.severity,
            "file": problem.file,
            "line": problem.line or 0,
            "field": problem.field,
            "found": problem.found,
            "advice": problem.advice,
        }
    )
