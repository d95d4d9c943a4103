"""The merchant's own webhook: where a change of band is announced, and the announcements."""
