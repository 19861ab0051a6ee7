"""Who am I: auth, apps, team, bots and users."""

from app.sandbox.records import Json
from app.sandbox.refusal import Refused
from app.sandbox.shapes import person_json
from app.sandbox.socket import PATH
from app.sandbox.web_api.calls import ApiCall, Method
from app.sandbox.web_api.pages import page


def _auth_test(call: ApiCall) -> Json:
    identity = call.workspace.identity
    bot = call.workspace.people[identity.bot_user_id]
    return {
        "url": f"https://{identity.domain}.slack.com/",
        "team": identity.team_name,
        "user": bot.name,
        "team_id": identity.team_id,
        "user_id": identity.bot_user_id,
        "bot_id": identity.bot_id,
        "is_enterprise_install": False,
    }


def _connections_open(call: ApiCall) -> Json:
    # What stands between the app and this server stands before the socket too.
    address = f"ws://{call.host}"
    return {"url": f"{address}{PATH}?{call.core.sockets.open_ticket()}"}


def _team_info(call: ApiCall) -> Json:
    identity = call.workspace.identity
    team = {
        "id": identity.team_id,
        "name": identity.team_name,
        "domain": identity.domain,
        "email_domain": "",
        "icon": {"image_default": True},
    }
    return {"team": team}


def _bots_info(call: ApiCall) -> Json:
    bot_id = call.arguments.text("bot")
    for person in call.workspace.people.values():
        if bot_id is not None and person.bot_id == bot_id:
            identity = call.workspace.identity
            is_ours = bot_id == identity.bot_id
            bot = {
                "id": bot_id,
                "deleted": person.deleted,
                "name": person.name,
                "updated": 0,
                "app_id": identity.app_id if is_ours else f"A{bot_id[1:]}",
                "user_id": person.user_id,
            }
            return {"bot": bot}
    raise Refused("bot_not_found")


def _users_info(call: ApiCall) -> Json:
    return {"user": person_json(call.person())}


def _users_list(call: ApiCall) -> Json:
    people = [person_json(person) for person in call.workspace.people.values()]
    return page(call, people, "members", default=100)


METHODS = {
    "apps.connections.open": Method(
        handle=_connections_open, is_for_app_token=True, takes_json=False
    ),
    "auth.test": Method(handle=_auth_test),
    "bots.info": Method(handle=_bots_info, scopes=("users:read",), takes_json=False),
    "team.info": Method(handle=_team_info, scopes=("team:read",), takes_json=False),
    "users.info": Method(handle=_users_info, scopes=("users:read",), takes_json=False),
    "users.list": Method(handle=_users_list, scopes=("users:read",), takes_json=False),
}
