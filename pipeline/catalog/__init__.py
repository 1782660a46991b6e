"""What a metric is: models, loading, validation, versions and expressions."""

from pipeline.catalog.catalog import Catalog as Catalog
from pipeline.catalog.catalog import ManagedBy as ManagedBy
from pipeline.catalog.catalog import Metric as Metric
from pipeline.catalog.catalog import Problem as Problem
from pipeline.catalog.loading import load_catalog as load_catalog
from pipeline.catalog.models import MetricDefinition as MetricDefinition
from pipeline.catalog.source_models import SourceMapping as SourceMapping
