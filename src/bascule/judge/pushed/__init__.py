"""Samples that Prometheus writes to the judge (remote write), in place of those that the judge asks for."""

from bascule.judge.pushed.metrics import PushMetrics
from bascule.judge.pushed.receiver import add_receiver
from bascule.judge.pushed.samples import PushedSamples
from bascule.judge.pushed.written import WriteReader, Written

__all__ = ["PushMetrics", "PushedSamples", "WriteReader", "Written", "add_receiver"]
