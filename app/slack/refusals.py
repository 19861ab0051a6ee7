"""What each of Slack's error codes means for a delivery."""

from collections.abc import Mapping

from slack_sdk.errors import SlackApiError

from app import telemetry
from app.errors import (
    AccessLost,
    CredentialsRefused,
    EditRefused,
    MessageGone,
    PayloadRefused,
    PlaceClosed,
    RateLimited,
    SlackError,
    SlackUnavailable,
    StreamRefused,
)

# Slack names the pause in whole seconds; without a name, or with nonsense, this one.
_DEFAULT_PAUSE = 10.0
_LONGEST_PAUSE = 600.0

_CODES: Mapping[type[SlackError], str] = {
    RateLimited: "ratelimited rate_limited message_limit_exceeded too_many_requests",
    EditRefused: "cant_update_message edit_window_closed message_not_owned_by_app",
    StreamRefused: """
        cannot_provide_both_markdown_text_and_chunks invalid_chunks
        message_not_in_streaming_state missing_recipient_team_id
        missing_recipient_user_id stopped_by_user streaming_mode_mismatch
        streaming_state_conflict
    """,
    MessageGone: "message_not_found no_such_message",
    PlaceClosed: """
        as_user_not_supported cannot_reply_to_message cant_broadcast_message
        cant_delete_message cant_post_in_thread channel_not_found
        channel_type_not_supported compliance_exports_prevent_deletion
        ekm_access_denied external_channel_migrating
        is_archived is_inactive messages_tab_disabled
        method_not_supported_for_channel_type not_in_channel
        restricted_action restricted_action_non_threadable_channel
        restricted_action_read_only_channel restricted_action_thread_locked
        restricted_action_thread_only_channel slack_connect_blocked_file_type
        slack_connect_canvas_sharing_blocked slack_connect_file_link_sharing_blocked
        slack_connect_lists_sharing_blocked team_access_not_granted team_not_found
        thread_locked thread_not_found user_is_restricted user_not_found
        user_not_in_channel
    """,
    CredentialsRefused: """
        access_denied accesslimited bot_not_found enterprise_is_restricted
        feature_not_enabled missing_scope no_permission not_allowed
        not_allowed_token_type two_factor_setup_required unknown_method
    """,
    AccessLost: """
        account_inactive app_uninstalled invalid_auth not_authed org_login_required
        token_expired token_revoked
    """,
    PayloadRefused: """
        attachment_payload_limit_exceeded block_mismatch blocked_file_type
        duplicate_channel_not_found invalid_arg_name invalid_arguments
        invalid_array_arg invalid_attachments invalid_blocks invalid_blocks_format
        invalid_charset invalid_form_data invalid_json invalid_metadata_format
        invalid_metadata_schema invalid_post_type json_not_object
        markdown_text_conflict metadata_must_be_sent_from_app metadata_too_large
        missing_post_type msg_blocks_too_long msg_blocks_too_many msg_too_long
        no_text too_many_attachments too_many_contact_cards
    """,
    SlackUnavailable: """
        fatal_error internal_error invalid_cursor request_timeout
        service_unavailable
        team_added_to_org temporarily_unavailable
    """,
}
CLASS_OF: Mapping[str, type[SlackError]] = {
    code: error for error, codes in _CODES.items() for code in codes.split()
}


def refusal(
    method: str, code: str, status: int, headers: Mapping[str, str]
) -> SlackError:
    """The error for an answer that is not ok; an unknown code counts as final."""
    error = CLASS_OF.get(code)
    if error is RateLimited or status == 429:  # noqa: PLR2004 - HTTP's own number
        return RateLimited(method, pause(headers.get("Retry-After")))
    if error is not None:
        return error(code, method)
    if status >= 500 or not code:  # noqa: PLR2004 - HTTP's own number
        return SlackUnavailable(code or f"http_{status}", method)
    telemetry.count("slack.unknown_error")
    return SlackError(code, method)


def translated(method: str, error: SlackApiError) -> SlackError:
    """The error for what Slack's client raised."""
    response = error.response
    # Where the body was no JSON, this is aiohttp's response instead of Slack's.
    data = getattr(response, "data", None)
    code = data.get("error") if isinstance(data, dict) else None
    status: int = getattr(response, "status_code", 0) or getattr(response, "status", 0)
    headers = getattr(response, "headers", None) or {}
    return refusal(method, code if isinstance(code, str) else "", status, headers)


def pause(retry_after: str | None) -> float:
    """The seconds that a `Retry-After` header asks for."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return _DEFAULT_PAUSE
    if not 0 <= seconds < float("inf"):
        return _DEFAULT_PAUSE
    return min(max(seconds, 1.0), _LONGEST_PAUSE)
