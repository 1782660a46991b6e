"""A process of its own for each competitor, so that its peak memory is its own.

`python -m pipeline.bench.worker STAGE NAME FOLDER SCALE`: prepares the data when NAME is `prepare`, else does the
competitor's work once for each line on standard input and answers with a line of JSON.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from pipeline.bench.stage import Competitor, Place, Run
from pipeline.bench.stages import stage_named

PREPARE = "prepare"
_DATA = "data"


def main(arguments: Sequence[str]) -> None:
    """Do what the driver asks until it closes standard input."""
    stage_name, name, folder, scale = arguments
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a library prints must not come between the answers
    stage = stage_named(stage_name)
    place = Place(Path(folder, _DATA), float(scale))
    place.folder.mkdir(exist_ok=True)
    if name == PREPARE:
        stage.prepare(place)
        answers.write(b"{}\n")
        return
    competitor = next(each for each in stage.competitors if each.name == name)
    scratch = Path(folder, f"scratch-{os.getpid()}")
    for _ in sys.stdin:
        answers.write(orjson.dumps(_once(competitor, place, scratch)) + b"\n")


def _once(competitor: Competitor, place: Place, scratch: Path) -> dict[str, Any]:
    scratch.mkdir()
    run = Run(place.folder, place.scale, scratch)
    answer = competitor.work(run)
    shutil.rmtree(scratch)
    return {
        "parts": run.parts,
        "cpu_seconds": run.cpu_seconds,
        "measures": run.measures,
        "share": run.share,
        "answer": answer,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
