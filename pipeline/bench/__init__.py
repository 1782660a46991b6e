"""How fast each stage is: ours beside its floor and beside what one would write first, in one run on one machine.

The stages call the functions that the command line, the API and Dagster call. It is a package of its own, and not a
folder of the tests, so that `metric-store bench` says of any installation what it can do.
"""
