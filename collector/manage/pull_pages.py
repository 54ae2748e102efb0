"""The interface's documents: the signing keys, the columns, and the interface itself (OpenAPI 3.1)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import collector
from collector.exports import sshsig
from collector.exports.keys import SigningKey, known_keys
from collector.exports.kinds import FileDataset, FileFormat, Kind, Tlp
from collector.exports.schema import schema_document
from collector.exports.shadowserver import REPORTS
from collector.manage.pull_shelf import LIST_MAX
from collector.orders.instants import to_text

DATASETS = (*get_args(FileDataset), "network_activity", *REPORTS)
"""OCSF's and Shadowserver's names for `events` among them."""


def pages(data_dir: Path, signing_key: Path) -> dict[str, Callable[[], bytes]]:
    """By path below /v1/. The keys are asked of the log each time; the rest is fixed."""
    made: dict[str, Callable[[], bytes]] = {"key": lambda: _written(keys_document(data_dir, signing_key))}
    made |= {f"schema/{name}.json": _fixed(schema_document(name)) for name in DATASETS}
    made["openapi.json"] = _fixed(openapi())
    return made


def keys_document(data_dir: Path, signing_key: Path) -> dict[str, Any]:
    """All keys that sign or signed, the oldest first. Raises CorruptError, OSError."""
    keys = known_keys(data_dir, signing_key)
    return {
        "keys": [_key(one) for one in keys],
        "allowed_signers": sshsig.allowed_signers(*(one.public for one in keys)),
        "namespace": sshsig.NAMESPACE,
        "principal": sshsig.PRINCIPAL,
    }


def _key(key: SigningKey) -> dict[str, Any]:
    return {
        "fingerprint": key.fingerprint,
        "public": key.line,
        "state": key.state,
        "since": None if key.since_us is None else to_text(key.since_us),
        "until": None if key.until_us is None else to_text(key.until_us),
        "handover": key.handover,
    }


def _fixed(document: Any) -> Callable[[], bytes]:
    content = _written(document)
    return lambda: content


def _written(document: Any) -> bytes:
    return (json.dumps(document, indent=1) + "\n").encode()


def openapi() -> dict[str, Any]:
    """The whole interface. What it says of a request's form is all that is accepted."""
    sequence = {"type": "integer", "minimum": 1, "maximum": 999_999}
    asked = {
        "/v1/publications": _path(
            "What stands for the account's partner, in order",
            _json(
                {"type": "array", "maxItems": LIST_MAX, "items": {"$ref": "#/components/schemas/Publication"}}
            )
            | {
                "headers": {
                    "Link": {
                        "description": f'rel="next", where there are more than {LIST_MAX}',
                        "schema": {"type": "string"},
                    }
                }
            },
            _parameter("after", "query", "only those beyond this number", sequence | {"minimum": 0}),
        ),
        "/v1/publications/{sequence}/{file}": _file_path(sequence),
        "/v1/schema/{dataset}.json": _path(
            "A dataset's columns: meaning, unit, statutory class",
            _json({"type": "object"}),
            _parameter("dataset", "path", "which", {"type": "string", "enum": list(DATASETS)}),
        ),
        "/v1/key": _path(
            "The keys that sign manifests, with validity", _json({"$ref": "#/components/schemas/Keys"})
        ),
        "/v1/openapi.json": _path("This document", _json({"type": "object"})),
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Publications",
            "version": collector.__version__,
            "description": "Files made daily, each in a numbered publication with a signed manifest.",
        },
        "paths": asked,
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "The account's token"}
            },
        },
        "security": [{"token": []}],
    }


def _path(summary: str, answer: dict[str, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    answers = {"200": {"description": "as asked"} | answer} | _errors("401", "404", "405", "429", "503")
    operation = {"summary": summary, "responses": answers}
    head = {
        "summary": f"{summary}: the head only",
        "responses": {code: _bare(one) for code, one in answers.items()},
    }
    return {"parameters": list(parameters), "get": operation, "head": head}


def _file_path(sequence: dict[str, Any]) -> dict[str, Any]:
    names = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$"}
    binary: dict[str, Any] = {"content": {"application/octet-stream": {}, **{one: {} for one in _FILE_TYPES}}}
    text = {"type": "string"}
    headers = {
        "ETag": {"description": 'strong: "<sha256>"', "schema": text, "required": True},
        "Repr-Digest": {"description": "RFC 9530: of the whole file", "schema": text, "required": True},
        "Accept-Ranges": {"schema": {"const": "bytes"}, "required": True},
    }
    part = {"Content-Range": {"description": "bytes <first>-<last>/<size>", "schema": text, "required": True}}
    answers: dict[str, dict[str, Any]] = {
        "200": {"description": "the whole file", "headers": headers, **binary},
        "206": {"description": "the one range asked for", "headers": headers | part, **binary},
        "304": {"description": "If-None-Match names it"},
        "412": {"description": "If-Match does not name it", **_PROBLEM},
        "416": {"description": "the range begins beyond the end", "headers": part, **_PROBLEM},
    } | _errors("401", "404", "405", "429", "503")
    only_get = ("206", "416")
    return {
        "parameters": [
            _parameter("sequence", "path", "the publication's number", sequence),
            _parameter(
                "file", "path", "a name from its list, manifest.json, manifest.json.sig or SHA256SUMS", names
            ),
        ],
        "get": {
            "summary": "One file of a publication",
            "parameters": [
                _parameter(
                    "Range", "header", "one range of bytes; several, or another unit, are ignored", text
                ),
                _parameter("If-Range", "header", "the tag that Range is meant for", text),
                _parameter("If-None-Match", "header", "tags that need not be sent again", text),
                _parameter("If-Match", "header", "tags that alone may be sent", text),
            ],
            "responses": answers,
        },
        "head": {
            "summary": "Its size, tag and digest",
            "responses": {code: _bare(one) for code, one in answers.items() if code not in only_get},
        },
    }


def _parameter(name: str, place: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": place, "description": text, "required": place == "path", "schema": schema}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _bare(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "content"}


def _errors(*codes: str) -> dict[str, Any]:
    return {code: _ERRORS[code] | ({} if code == "503" else _PROBLEM) for code in codes}


_FILE_TYPES = ("application/vnd.apache.parquet", "text/csv", "text/plain", "application/json")
_SECONDS = {
    "description": "seconds until it may be asked again",
    "schema": {"type": "integer"},
    "required": True,
}
_PROBLEM = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_ERRORS: dict[str, dict[str, Any]] = {
    "401": {
        "description": "no valid token",
        "headers": {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}},
    },
    "404": {"description": "not there, or not the partner's, or not there any more"},
    "405": {
        "description": "GET and HEAD only",
        "headers": {"Allow": {"schema": {"type": "string"}, "required": True}},
    },
    "429": {"description": "too often", "headers": {"Retry-After": _SECONDS}},
    "503": {"description": "nothing can be given out at the moment; the operator is told"},
}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_TEXT: dict[str, Any] = {"type": "string"}
_WHOLE: dict[str, Any] = {"type": "integer", "minimum": 0}
_SHA256: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_MOMENT: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_SCHEMAS: dict[str, Any] = {
    "Publication": _object(
        sequence=_WHOLE | {"minimum": 1},
        kind={"enum": list(get_args(Kind))},
        date=_TEXT | {"format": "date"},
        order=_TEXT,
        supplement=_WHOLE,
        complete={"type": "boolean"},
        published=_TEXT | {"format": "date-time"},
        tlp={"enum": list(get_args(Tlp))},
        manifest_sha256=_SHA256,
        manifest_url=_TEXT,
        signature_url=_TEXT,
        sums_url=_TEXT,
        files={"type": "array", "items": {"$ref": "#/components/schemas/File"}},
    ),
    "File": _object(
        name=_TEXT,
        bytes=_WHOLE,
        rows=_WHOLE,
        sha256=_SHA256,
        dataset={"enum": list(get_args(FileDataset))},
        format={"enum": list(get_args(FileFormat))},
        schema_version=_WHOLE | {"minimum": 1},
        url=_TEXT,
        available={"type": "boolean", "description": "false once the copies' time is over"},
    ),
    "Keys": _object(
        keys={
            "type": "array",
            "items": _object(
                fingerprint=_TEXT,
                public=_TEXT,
                state={"enum": ["current", "next", "former"]},
                since=_MOMENT,
                until=_MOMENT,
                handover=_TEXT
                | {"description": "the key before's SSH signature over `public`; empty for the first"},
            ),
        },
        allowed_signers=_TEXT | {"description": "the file that ssh-keygen -Y verify -f takes"},
        namespace=_TEXT,
        principal=_TEXT,
    ),
    "Problem": {
        "type": "object",
        "description": "RFC 9457",
        "properties": {"type": _TEXT, "title": _TEXT, "status": _WHOLE, "detail": _TEXT},
        "required": ["type", "title", "status"],
    },
}
