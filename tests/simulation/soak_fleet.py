"""A thousand connections scheduled hourly, in a twelfth of the time, on two workers: none starves, none runs twice."""

from bench.fleet import measure


async def test_a_thousand_connections_on_two_workers() -> None:
    found = await measure(1000, 2, span=300.0, concurrency=16)
    for part in (found["first_syncs_all_at_once"], found["scheduled"]):
        assert (part["runs"], part["complete"]) == (1000, 1000), found
        assert (part["run_twice"], part["overlapping"], part["starved"]) == (0, 0, 0), found
    assert found["exit_codes"] == [0, 0]
