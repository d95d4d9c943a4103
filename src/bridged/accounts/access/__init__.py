"""Whether objects at Stripe may be changed: the connection's access level and the workspace's switch."""
