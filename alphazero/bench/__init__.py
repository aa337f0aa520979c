"""Benchmarks of the engine: `python -m alphazero bench`.

    python -m alphazero bench all --json bench.json
    python -m alphazero bench selfplay --game go:size=9 --network b6c64 --device cuda

Every figure is the median of several repeats. What runs on the processor is counted in CPU seconds
of this process, so that other programs on the machine disturb it less; ratios against another
implementation come from the same run. `--quick` runs every suite once, without meaningful figures.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from alphazero.bench.chess import chess_suite
from alphazero.bench.cluster import cluster_suite
from alphazero.bench.evaluator import evaluator_suite
from alphazero.bench.go import go_suite
from alphazero.bench.measure import Effort, Measurement, machine, table
from alphazero.bench.search import search_suite
from alphazero.bench.selfplay import Workload, selfplay_suite
from alphazero.command_line import Parser, count
from alphazero.errors import UserError, closest
from alphazero.files import atomic_write, writable

Suite = Callable[[Effort], Iterator[Measurement]]
SUITES: dict[str, Suite] = {
    "search": search_suite,
    "go": go_suite,
    "chess": chess_suite,
    "evaluator": evaluator_suite,
    "selfplay": selfplay_suite,
}
# Not part of `all`: they need Ray, and minutes.
ON_REQUEST: dict[str, Suite] = {"cluster": cluster_suite}


def parser() -> argparse.ArgumentParser:
    """The options of `python -m alphazero bench`."""
    options = Parser(prog="alphazero bench", description="Measure how fast the engine is.")
    options.add_argument(
        "suite",
        nargs="?",
        default="all",
        metavar="SUITE",
        help=f"{', '.join(SUITES)}, all of these (all), or {', '.join(ON_REQUEST)}",
    )
    options.add_argument("--json", metavar="FILE", help="write the figures here as well")
    options.add_argument(
        "--quick", action="store_true", help="run every suite once, without meaningful figures"
    )
    work = options.add_argument_group("workload of selfplay, instead of its small games")
    work.add_argument("--game", metavar="GAME", help=f"its game ({Workload.game})")
    work.add_argument(
        "--network", metavar="SIZE", help=f"its size, as in b10c128 ({Workload.network})"
    )
    work.add_argument("--device", help=f"cpu, cuda, cuda:0, mps or auto ({Workload.device})")
    work.add_argument("--precision", help=f"float32, bfloat16 or auto ({Workload.precision})")
    work.add_argument("--games", type=count, metavar="N", help=f"games at once ({Workload.games})")
    work.add_argument(
        "--simulations",
        type=count,
        metavar="N",
        help=f"simulations per move ({Workload.simulations})",
    )
    work.add_argument(
        "--threads", type=count, metavar="N", help=f"threads that search ({Workload.threads})"
    )
    return options


def main(arguments: Sequence[str]) -> int:
    """Run the command line after `bench`; returns the exit code."""
    options = parser().parse_args(arguments)
    names = [field.name for field in fields(Workload)]
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if given and options.suite != "selfplay":
        raise UserError(f"--{next(iter(given))} goes with: alphazero bench selfplay")
    workload = Workload(**given) if given else None
    bench(options.suite, json_file=options.json, quick=options.quick, workload=workload)
    return 0


def print_at_once(text: str) -> None:
    """Print a line that shows at once in a pipe, too."""
    print(text, flush=True)


def bench(
    suite: str,
    *,
    json_file: Path | str | None = None,
    quick: bool = False,
    say: Callable[[str], None] = print_at_once,
    workload: Workload | None = None,
) -> list[Measurement]:
    """Run one suite or `all`; `say` is called with every line of the tables as it is known.
    `workload` replaces the choice of `selfplay`.

    Raises UserError for an unknown suite, game, network or device, and for a JSON file that cannot
    be written.
    """
    names = list(SUITES) if suite == "all" else [suite]
    suites = SUITES | ON_REQUEST
    if suite != "all" and suite not in suites:
        choices = [*suites, "all"]
        raise UserError(
            f"unknown suite {suite!r}{closest(suite, choices)}; choose {', '.join(choices)}"
        )
    if json_file is not None:
        if not Path(json_file).absolute().parent.is_dir():
            raise UserError(f"cannot write {json_file}: there is no such folder")
        writable(json_file)
    effort = Effort.quick() if quick else Effort()
    facts = machine()
    say(", ".join(f"{name} {value}" for name, value in facts.items()))
    found: list[Measurement] = []
    for name in names:
        say(f"\n{name}")
        work = selfplay_suite(effort, workload) if name == "selfplay" else suites[name](effort)
        for measurement in work:
            found.append(measurement)
            say(table(measurement))
        if json_file is not None:
            write_json(Path(json_file), facts, quick, found)
    return found


def write_json(
    path: Path, facts: dict[str, str], quick: bool, found: Sequence[Measurement]
) -> None:
    """Write the measurements and the machine they were made on."""
    content = {
        "machine": facts,
        "quick": quick,
        "measurements": [measurement.to_json() for measurement in found],
    }
    atomic_write(path, (json.dumps(content, indent=2) + "\n").encode())
