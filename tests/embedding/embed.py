"""A mapping in a Python program, with the package wasmtime: what is in docs/embedding.md.

Usage: embed.py <map_claim_response.wasm> <file with a ClaimResponse>
"""

import sys
from types import SimpleNamespace as Record

from wasmtime import Config, Engine, Store
from wasmtime.component import Component, Linker

INTERFACE = "openimis-mediator:mapping/claim-response@0.1.0"
FUEL = 50_000_000  # a mapping that computes longer is stopped
MEMORY_BYTES = 16 << 20


def record(**fields):
    """A WIT record: its names have hyphens, which Python's have not."""
    return Record(**{name.replace("_", "-"): value for name, value in fields.items()})


SETTINGS = record(
    form="OP",
    fields=record(
        patient_id="patient_id",
        claim_id="op_claim_id",
        claim_uuid="op_claim_uuid",
        year="op_year",
        month="op_month",
        day="op_day",
        date="op_date",
    ),
    calendar="bikram-sambat",
    utc_offset_minutes=0,
    locale=None,
)


class Mapping:
    """A component, compiled once. Each call gets an instance of its own, so nothing of one document reaches another."""

    def __init__(self, path):
        config = Config()
        config.consume_fuel = True
        self.engine = Engine(config)
        self.component = Component.from_file(self.engine, path)
        self.linker = Linker(self.engine)  # empty: a mapping imports nothing

    def map_claim_response(self, claim_response, claim_date=None, contact=None, settings=SETTINGS):
        store = Store(self.engine)
        store.set_fuel(FUEL)
        store.set_limits(memory_size=MEMORY_BYTES)
        instance = self.linker.instantiate(store, self.component)
        interface = instance.get_export_index(store, INTERFACE)
        function = instance.get_func(store, instance.get_export_index(store, "map-claim-response", interface))
        return function(store, claim_response, claim_date, contact, settings)


def main():
    component, document = sys.argv[1:]
    mapping = Mapping(component)
    with open(document, encoding="utf-8") as file:
        answer = mapping.map_claim_response(file.read())
    # A result is the value of its case: a record if it went well, else a list of issues.
    if isinstance(answer, list):
        for issue in answer:
            print(issue.severity, issue.code, f"{issue.expression}:", issue.diagnostics)
        return 1
    print(answer.body)
    for warning in answer.warnings:
        print(warning.severity, warning.code, f"{warning.expression}:", warning.diagnostics, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
