"""Validates deploy/ and the schema of the configuration. Prints what is wrong, a line each; says how much it looked at."""

import json
import pathlib
import re
import sys
import tomllib

import compose_spec
import jsonschema
import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
# The oldest that is still in wide use, and the newest of which the schemas are there.
KUBERNETES = ["1.30", kubernetes_validate.latest_version()]

wrong = []
looked_at = []


def problem(where, what):
    wrong.append(f"{where}: {what}")


def kubernetes(path):
    for number, document in enumerate(yaml.safe_load_all(path.read_text()), 1):
        name = f"{path.relative_to(ROOT)}#{number}"
        kind = document.get("kind")
        if kind == "Kustomization":
            continue  # not an object of the cluster; its references are looked at elsewhere
        if kind == "SpinApp":
            schema = json.loads((ROOT / "tests/deploy/spinapp.schema.json").read_text())
            for error in jsonschema.Draft202012Validator(schema).iter_errors(document):
                problem(name, f"{'/'.join(map(str, error.path))}: {error.message}")
        else:
            for version in KUBERNETES:
                try:
                    kubernetes_validate.validate(document, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    problem(name, f"Kubernetes {version}: {'/'.join(map(str, error.path))}: {error.message}")
        looked_at.append(name)


def interpolated(text):
    """As Compose does it: the default of a variable, or for one that has to be set a sample."""
    return re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)\}", lambda found: found.group(1) or "1", text)


def compose(path):
    name = str(path.relative_to(ROOT))
    # PyYAML resolves anchors and `<<`, which the rules of Compose do not know.
    project = yaml.safe_load(interpolated(path.read_text()))
    try:
        compose_spec.PyCompose.from_yaml(yaml.safe_dump(project))
    except ValueError as error:
        problem(name, error)
    for service, keys in project["services"].items():
        for key in ("networks", "volumes", "configs", "secrets", "depends_on"):
            declared = project["services"] if key == "depends_on" else project.get(key, {})
            for used in keys.get(key, []):
                used = used.get("source") if isinstance(used, dict) else used.split(":")[0]
                if used not in declared:
                    problem(name, f"services.{service}.{key}: {used} is declared nowhere")
        if "build" in keys:
            build = keys["build"]
            if not (path.parent / build["context"] / build["dockerfile"]).is_file():
                problem(name, f"services.{service}.build: no such file")
        elif ":" not in keys["image"] or keys["image"].endswith(":latest"):
            problem(name, f"services.{service}.image: no version is given")
    looked_at.append(name)


def configuration():
    schema = json.loads((ROOT / "config.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    example = (ROOT / "config.example.toml").read_text()
    all_of_it = "\n".join(
        line[1:] if line.startswith("#") and line[1:2] not in ("", " ") else line for line in example.splitlines()
    )
    for name, text in {
        "config.example.toml": example,
        "config.example.toml with all that is optional": all_of_it,
        "deploy/mediator.toml": (DEPLOY / "mediator.toml").read_text(),
        "deploy/kubernetes/mediator.toml": (DEPLOY / "kubernetes/mediator.toml").read_text(),
    }.items():
        for error in validator.iter_errors(tomllib.loads(text)):
            problem(name, f"{'/'.join(map(str, error.path))}: {error.message}")
        looked_at.append(name)
    # A schema that takes everything would find nothing wrong.
    for bad in [{"listne": "x"}, {"tasks": {"policy": "some"}}, {"worker": {"concurrency": "8"}}]:
        if validator.is_valid(bad):
            problem("config.schema.json", f"takes {bad}")


def the_checks_find_mistakes():
    pod = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"prots": []}}
    try:
        kubernetes_validate.validate(pod, KUBERNETES[0], strict=True)
        problem("kubernetes-validate", "takes a misspelt key")
    except kubernetes_validate.ValidationError:
        pass
    try:
        compose_spec.PyCompose.from_yaml("services:\n  a:\n    image: a\n    imgae: a\n")
        problem("compose-spec", "takes a misspelt key")
    except ValueError:
        pass


for folder in ("kubernetes", "spinkube"):
    for file in sorted((DEPLOY / folder).glob("*.yaml")):
        kubernetes(file)
for file in sorted(DEPLOY.glob("compose*.yaml")):
    compose(file)
configuration()
the_checks_find_mistakes()
for line in wrong:
    print(line)
print(f"looked at {len(looked_at)}: {', '.join(looked_at)}")
sys.exit(1 if wrong else 0)
