#!/usr/bin/env python3
"""Validates FHIR resources the way openIMIS reads them: with `fhir.resources.R4B` from the sandbox's own virtual environment.

One JSON resource per line on standard input; per line `ok` or `error: …` on standard output; exit status 1 if any line failed.
Beyond what openIMIS checks, coded fields with a fixed value list (`status`, `intent`, …) must hold one of its values,
and values must have their JSON type already: the library would quietly turn a number into a string.

    echo '{"resourceType": "Communication", "status": "completed"}' | ./validate_fhir.py
"""
import json
import os
import sys
import tempfile
from pathlib import Path

try:
    from fhir.resources.R4B import construct_fhir_element
    from fhir.resources.core.fhirabstractmodel import FHIRAbstractModel
except ModuleNotFoundError:
    home = os.environ.get("OPENIMIS_HOME") or Path(os.environ.get("TMPDIR") or tempfile.gettempdir(), "openimis-sandbox")
    python = Path(home, "venv", "bin", "python")
    if Path(sys.prefix) == python.parent.parent or not python.exists():
        sys.exit(f"fhir.resources is not installed and there is no {python}: run up.sh first")
    os.execv(python, [str(python), *sys.argv])


def wrong_codes(value, path):
    """Yields 'path: message' for every code outside the list that the specification requires."""
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from wrong_codes(item, f"{path}[{i}]")
    elif isinstance(value, FHIRAbstractModel):
        for field in value.__fields__.values():
            item = getattr(value, field.name)
            allowed = field.field_info.extra.get("enum_values")
            if allowed and item is not None:
                for code in item if isinstance(item, list) else [item]:
                    if code not in allowed:
                        yield f"{path}.{field.alias}: {code!r} is not one of {', '.join(allowed)}"
            else:
                yield from wrong_codes(item, f"{path}.{field.alias}")


def wrong_types(given, read, path):
    """Yields 'path: message' for every value whose JSON type changed while the library read it."""
    if isinstance(given, dict) and isinstance(read, dict):
        for key in given.keys() & read.keys():
            yield from wrong_types(given[key], read[key], f"{path}.{key}")
    elif isinstance(given, list) and isinstance(read, list):
        for i, pair in enumerate(zip(given, read)):
            yield from wrong_types(*pair, f"{path}[{i}]")
    elif json_type(given) != json_type(read):
        yield f"{path}: {json.dumps(given)} should be a {json_type(read)}"


def json_type(value):
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else {
        dict: "object", list: "list", str: "string", bool: "boolean"}.get(type(value), "null")


def problems(line):
    try:
        body = json.loads(line)
    except ValueError as error:
        return [f"not JSON: {error}"]
    kind = body.get("resourceType") if isinstance(body, dict) else None
    if not isinstance(kind, str):
        return ["not a resource: resourceType is missing"]
    try:
        resource = construct_fhir_element(kind, body)
    except LookupError:
        return [f"{kind} is not a resource of FHIR R4B"]
    except ValueError as error:  # pydantic's ValidationError is one, and knows the places
        if not hasattr(error, "errors"):
            return [str(error)]
        return [".".join([kind, *(str(p) for p in e["loc"] if p != "__root__")]) + ": " + e["msg"] for e in error.errors()]
    return [*wrong_codes(resource, kind), *sorted(wrong_types(body, json.loads(resource.json()), kind))]


def main():
    failed = False
    for line in sys.stdin:
        if not line.strip():
            continue
        found = problems(line)
        failed = failed or bool(found)
        print("error: " + "; ".join(" ".join(p.split()) for p in found) if found else "ok", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
