"""The closed lists a model chooses from, and what of a message it is shown."""

from bridged.conversation import agent, intents, model


def test_the_lists_are_closed() -> None:
    assert set(model.INTENTS) == {*intents.INTENTS, "human", "help"}
    schema = agent.Choice.model_json_schema()["properties"]
    assert set(schema["intent"]["enum"]) == {"none", *model.INTENTS}
    assert not {"stop", "start", "verify", "language", "yes", "no"} & set(model.INTENTS)
    assert all(slot.count(":") == 1 for slot in model.SLOTS)


def test_no_secret_of_a_message_is_shown() -> None:
    message = "ana@private.example\x00 9876 5432 1234 sk_live_51Habcdefghijkl whsec_abcdefghijkl brg_abcdefghijkl ok"
    assert model.message_shown(message).replace(" ", "") == "……………ok"
    assert len(model.message_shown("x " * 5_000)) == model.LONGEST
