"""Logstash, Filebeat and index templates: what the ELK stack reads."""

from bascule.generate.elk.files import elk_files

__all__ = ["elk_files"]
