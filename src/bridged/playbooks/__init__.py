"""Playbooks: which message goes to which customer at which moment, why, and why not."""
