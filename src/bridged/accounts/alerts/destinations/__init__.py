"""Where the alerts of a workspace are told."""
