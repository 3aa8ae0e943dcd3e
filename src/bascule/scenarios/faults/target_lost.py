"""Prometheus no longer scrapes V2: its job is gone from the configuration."""

from __future__ import annotations

import time

import yaml

from bascule.documents import read_yaml
from bascule.scenarios.drills.fault import HARM, HardFault
from bascule.scenarios.house import House


class TargetLost(HardFault):
    key = "target-lost"
    title = "V2 is no longer among Prometheus' targets"
    expects = ("TargetLost",)
    also = (*HARM, "SignalNoData", "ServiceDown")  # the reload breaks off a scrape under way, which stores `up` 0
    evidence = 'max(bascule_no_data_cause{cause=~"target lost"})'

    def inject(self, house: House) -> float:
        config = house.prometheus_config
        true = config.read_text("utf-8")
        document = read_yaml(true, config)
        job = house.service("v2")
        document["scrape_configs"] = [each for each in document["scrape_configs"] if each["job_name"] != job]
        config.with_suffix(".true").write_text(true, "utf-8")
        config.write_text(yaml.safe_dump(document), "utf-8")
        house.reload_prometheus()
        return time.time()

    def remove(self, house: House) -> None:
        kept = house.prometheus_config.with_suffix(".true")
        if kept.exists():
            kept.replace(house.prometheus_config)
            house.reload_prometheus()
