"""The log of webhooks: what arrived, what was refused and why, what it changed; and applying it again."""
