"""What the generated rules cost a real Prometheus: those of the former build, and those of this one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.harness import Bar
from bench.scaling.load import Load, Sender, load_of
from bench.scaling.looking import former_build
from bench.scaling.servers import Server, server

HISTORY_SECONDS = 300  # what the rules look back on
GENERATED = ("generate", "supersmartmatch", "--out")


@dataclass(frozen=True)
class Ruled:
    """Processor time a second of a Prometheus that is sent the same samples: without rules, and with each build's."""

    instances: int
    without: float
    former: float
    ours: float

    def bars(self) -> Iterator[Bar]:
        name = f"rules at {self.instances} instances"
        yield Bar(f"{name}: CPU a second", self.ours - self.without, "s", None)
        yield Bar(f"{name}: CPU a second, the former build", self.former - self.without, "s", None)
        yield Bar(f"{name}: CPU less", (self.former - self.without) / (self.ours - self.without), "x", 3, "at_least")


def ruled(instances: int, seconds: int) -> Ruled:
    """Three servers beside each other for so many seconds, after a history."""
    with tempfile.TemporaryDirectory(prefix="bascule-rules-") as name, ExitStack() as stack:
        folder = Path(name)
        former = stack.enter_context(former_build())
        configs = ["", _rules(former, folder / "former"), _rules(Path("src"), folder / "ours")]
        servers = [stack.enter_context(server(folder / f"p{n}", _config(each))) for n, each in enumerate(configs)]
        load = load_of(instances, HISTORY_SECONDS + seconds)
        without, of_former, of_ours = _spent(servers, load, seconds)
        return Ruled(instances, without, of_former, of_ours)


def _spent(servers: Sequence[Server], load: Load, seconds: int) -> list[float]:
    """Processor time of each by second, after a history that ends now."""
    senders, begin = [Sender(each.receiver) for each in servers], int(time.time()) - HISTORY_SECONDS
    for second in range(HISTORY_SECONDS):
        for sender in senders:
            sender.send(load, second, begin)
    missed = int(time.time()) - begin - HISTORY_SECONDS
    before, began = [each.cpu() for each in servers], time.time()
    for second in range(HISTORY_SECONDS, HISTORY_SECONDS + seconds):
        for sender in senders:
            sender.send(load, second, begin + missed)
        time.sleep(max(0.0, begin + missed + second - time.time()))
    lasted = time.time() - began
    return [(each.cpu() - spent) / lasted for each, spent in zip(servers, before, strict=True)]


def _rules(source: Path, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(source.absolute())}
    argv = [sys.executable, "-m", "bascule", *GENERATED, str(folder)]
    subprocess.run(argv, env=environment, check=True, stdout=subprocess.DEVNULL)
    return f"rule_files: ['{folder / 'prometheus' / 'rules' / '*.yml'}']"


def _config(rules: str) -> str:
    return f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n{rules}\n"
