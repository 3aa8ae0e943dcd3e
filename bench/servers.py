"""What several benchmarks and worlds start: engines, and a judge that reads one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bascule.judge import LiveJudge, VerdictBoard
from bascule.processes import programs
from bascule.processes.ready import answers
from bascule.processes.supervisor import Program
from bascule.prometheus import Prometheus
from bascule.spec import Spec

HOST = "127.0.0.1"


def prometheus(name: str, config: Path, data: Path, port: int) -> Program:
    argv = [
        str(programs.find("prometheus")),
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address={HOST}:{port}",
        "--log.level=error",
    ]
    return Program(name, argv, ready=answers(f"http://{HOST}:{port}/-/ready"), ready_timeout=60)


def victoria_metrics(data: Path, port: int, *flags: str) -> Program:
    argv = [
        str(programs.find("victoria-metrics")),
        f"-httpListenAddr={HOST}:{port}",
        f"-storageDataPath={data}",
        "-search.latencyOffset=1s",
        "-memory.allowedPercent=10",
        "-loggerLevel=ERROR",
        *flags,
    ]
    return Program("victoria-metrics", argv, ready=answers(f"http://{HOST}:{port}/health"), ready_timeout=60)


@contextmanager
def judged(spec: Spec, url: str) -> Iterator[VerdictBoard]:
    """A judge in this process, of what the engine at `url` holds."""
    board, stop = VerdictBoard(spec), threading.Event()
    judge = LiveJudge(spec, Prometheus(url), (), board.publish)
    thread = threading.Thread(target=judge.run, args=(stop,))
    thread.start()
    try:
        yield board
    finally:
        stop.set()
        thread.join()
