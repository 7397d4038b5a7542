"""The Status objects with which the API server says no, worded as it words them.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

from tests.kube.resources import Object, Resource


class Refused(Exception):
    """An answer other than success; `retry_after_s` becomes the header Retry-After.

    `plain` answers with the message as text, as those parts of the server do that stand before its API.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Object | None = None,
        retry_after_s: int | None = None,
        plain: str = "",
    ):
        super().__init__(message)
        self.plain = plain
        self.code, self.reason, self.message, self.details = code, reason, message, details
        self.retry_after_s = retry_after_s

    def status(self) -> Object:
        body: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        body |= {"message": self.message, "reason": self.reason}
        details = dict(self.details or {})
        if self.retry_after_s is not None:
            details["retryAfterSeconds"] = self.retry_after_s
        return body | ({"details": details} if details else {}) | {"code": self.code}


def _details(resource: Resource, name: str) -> Object:
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in details.items() if value}


def not_found(resource: Resource, name: str) -> Refused:
    return Refused(404, "NotFound", f'{resource.qualified} "{name}" not found', _details(resource, name))


def already_exists(resource: Resource, name: str) -> Refused:
    return Refused(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', _details(resource, name))


def conflict(resource: Resource, name: str) -> Refused:
    why = "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return Refused(409, "Conflict", message, _details(resource, name))


def uid_conflict(resource: Resource, name: str, wanted: str, found: str) -> Refused:
    why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return Refused(409, "Conflict", message, _details(resource, name))


def forbidden(resource: Resource, name: str, why: str) -> Refused:
    what = f'{resource.qualified} "{name}"' if name else resource.qualified
    return Refused(403, "Forbidden", f"{what} is forbidden: {why}", _details(resource, name))


def unauthorized() -> Refused:
    return Refused(401, "Unauthorized", "Unauthorized")


def bad_request(message: str) -> Refused:
    return Refused(400, "BadRequest", message)


def invalid(resource: Resource, name: str, field: str, why: str, reason: str = "FieldValueInvalid") -> Refused:
    details: Object = {"name": name, "group": resource.group, "kind": resource.kind}
    details["causes"] = [{"reason": reason, "message": why, "field": field}]
    message = f'{resource.qualified_kind} "{name}" is invalid: {field}: {why}'
    return Refused(422, "Invalid", message, {key: value for key, value in details.items() if value})


def expired(message: str) -> Refused:
    return Refused(410, "Expired", message)


def too_old(version: int, oldest: int) -> Refused:
    return expired(f"too old resource version: {version} ({oldest})")


def too_large(version: int, newest: int) -> Refused:
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Timeout: Too large resource version: {version}, current: {newest}"
    return Refused(504, "Timeout", message, {"causes": [cause]}, retry_after_s=1)


def method_not_allowed() -> Refused:
    return Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def unsupported_media(kind: str) -> Refused:
    known = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        f"{known}, application/strategic-merge-patch+json"
    )
    return Refused(415, "UnsupportedMediaType", f"{message} (sent: {kind})")
