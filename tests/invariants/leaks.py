"""What must be nowhere, and what nobody may go on holding: I9 and I10."""

import json
from collections.abc import Iterator, Mapping

from tests.invariants.histories import Broken, ModelHistory, SlackHistory, Stored


def no_secret(db: Stored, slack: SlackHistory, model: ModelHistory) -> list[Broken]:
    """I9: no token is in the database, in Slack, or in what the model is asked."""
    return [
        Broken(rule="I9", says=f"a secret that begins with {secret[:6]} is {where}")
        for where, text in _texts(db, slack, model)
        for secret in slack.secrets
        if secret in text
    ]


def nothing_held(db: Stored, slack: SlackHistory, model: ModelHistory) -> list[Broken]:
    """I10: nobody owns what is at rest, and the model writes for nobody."""
    broken = [
        Broken(
            rule="I10",
            says=f"conversation {row['id']} is {row['state']}, owned by {row['owner']}",
            history=[str(dict(row))],
        )
        for row in db.rows("conversations")
        if row["state"] != "running"
        and (row["owner"] or (row["turn_id"] and row["state"] == "idle"))
    ]
    return broken + [
        Broken(rule="I10", says=f"request {each['number']} {each['what']} never ended")
        for each in model.requests
        if not each["ended"]
    ]


def _texts(
    db: Stored, slack: SlackHistory, model: ModelHistory
) -> Iterator[tuple[str, str]]:
    for table, rows in db.tables.items():
        yield f"in the table {table}", _dumped(rows)
    yield "in Slack", _dumped(slack.messages)
    yield "in a call to Slack", _dumped([row["arguments"] for row in slack.calls])
    yield "in a request to the model", _dumped([row["body"] for row in model.requests])


def _dumped(value: object) -> str:
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)
