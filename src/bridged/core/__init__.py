"""The ground floor: types, errors, time, settings, logs, the vault and the database."""
