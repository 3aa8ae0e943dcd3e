"""Everything an ELK or OpenSearch shop needs for the log lines of a spec; nothing where it declares no sources."""

from __future__ import annotations

import json

from bascule.generate.elasticsearch import (
    data_view,
    index_template,
    lifecycle_policy,
    opensearch_setup_script,
    opensearch_template,
    setup_script,
    state_policy,
)
from bascule.generate.filebeat import filebeat_config
from bascule.generate.logstash import opensearch_output, pipeline
from bascule.generate.pushgateway import PUSH_SCRIPT
from bascule.generate.render import to_json, to_yaml
from bascule.spec import Spec


def elk_files(spec: Spec) -> dict[str, str]:
    """Relative path to text."""
    push = {"pushgateway/push-batch.sh": PUSH_SCRIPT}
    if not spec.logs.sources:
        return push
    return push | {
        "logstash/pipeline.conf": pipeline(spec),
        "logstash/output-opensearch.conf.example": opensearch_output(spec),
        "filebeat/filebeat.yml": to_yaml(filebeat_config(spec)),
        "elasticsearch/index-template.json": to_json(index_template(spec)),
        "elasticsearch/ilm-policy.json": to_json(lifecycle_policy(spec)),
        "elasticsearch/setup.sh": setup_script(spec),
        "opensearch/index-template.json": to_json(opensearch_template(spec)),
        "opensearch/ism-policy.json": to_json(state_policy(spec)),
        "opensearch/setup.sh": opensearch_setup_script(spec),
        "kibana/data-view.ndjson": json.dumps(data_view(spec)) + "\n",
    }
