-- concurrently
-- What was handed back undelivered and not taken back yet, by connection.
create index concurrently messages_to_take_back on bridged.messages (connection_id, settled_at)
  where state = 'expired' and taken_back_at is null;
