"""Logstash, Filebeat and index templates: what the ELK stack reads."""
