"""The Dagster door: assets over hourly partitions, schedules, checks and the instance they run on.

An asset parses its partition, calls a function of the core and shows what it returned. No SQL and no rules live here.
"""
