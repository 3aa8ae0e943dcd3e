"""Everything an ELK or OpenSearch shop needs for the log lines of a spec; nothing where it declares no sources."""

from __future__ import annotations

import json

from bascule.generate.deploy.pushgateway import PUSH_SCRIPT
from bascule.generate.elk.elasticsearch import data_view, opensearch_setup_script, setup_script
from bascule.generate.elk.filebeat import filebeat_config
from bascule.generate.elk.logstash import opensearch_output, pipeline
from bascule.generate.render import to_json, to_yaml
from bascule.spec import Spec
from bascule.spec.log_patterns import log_index


def elk_files(spec: Spec) -> dict[str, str]:
    """Relative path to text."""
    push = {"pushgateway/push-batch.sh": PUSH_SCRIPT}
    if not spec.logs.sources:
        return push
    index = log_index(spec)
    return push | {
        "logstash/pipeline.conf": pipeline(spec),
        "logstash/output-opensearch.conf.example": opensearch_output(spec),
        "filebeat/filebeat.yml": to_yaml(filebeat_config(spec)),
        "elasticsearch/index-template.json": to_json(index.template("elasticsearch")),
        "elasticsearch/ilm-policy.json": to_json(index.policy("elasticsearch")),
        "elasticsearch/setup.sh": setup_script(index),
        "opensearch/index-template.json": to_json(index.template("opensearch")),
        "opensearch/ism-policy.json": to_json(index.policy("opensearch")),
        "opensearch/setup.sh": opensearch_setup_script(index),
        "kibana/data-view.ndjson": json.dumps(data_view(index)) + "\n",
    }
