"""What is around Prometheus in a shop: the log pipeline, and how all of it is deployed."""

from __future__ import annotations

from collections.abc import Mapping

from bascule.generate.deploy.compose import compose_files
from bascule.generate.deploy.kubernetes import kubernetes_files
from bascule.generate.deploy.systemd import systemd_files
from bascule.generate.elk.files import elk_files
from bascule.spec import Spec


def surroundings(spec: Spec, files: Mapping[str, str]) -> dict[str, str]:
    """Relative path to text; `files` are those made before, which deployments carry along."""
    return elk_files(spec) | compose_files(spec) | kubernetes_files(spec, files) | systemd_files(spec)
