"""Drafts: a playbook while it is changed, before it is published."""
