//! What the core takes of a registration, in the order in which it looks.

use serde_json::Value;

/// Types that a setting may have.
const TYPES: [&str; 8] = ["string", "bigstring", "number", "bool", "option", "map", "struct", "password"];

/// What is kept of it afterwards, or the reason of a refusal.
pub(super) fn registered(sent: &Value, existing: Option<&Value>) -> Result<Value, String> {
    if sent["urn"].as_str().is_none_or(str::is_empty) {
        return Err("URN is required".into());
    }
    let Some(version) = sent["version"].as_str().and_then(semver) else {
        return Err("Version is required. Must be in SemVer form x.y.z".into());
    };
    check_config(&sent["configDefs"], &sent["config"])?;
    if let Some(existing) = existing {
        let is_newer = existing["version"].as_str().and_then(semver) < Some(version);
        let mut kept = if is_newer { sent.clone() } else { existing.clone() };
        if let (true, Some(old)) = (is_newer, existing["config"].as_object()) {
            old.iter().for_each(|(param, value)| kept["config"][param] = value.clone());
        }
        return Ok(kept);
    }
    if sent["endpoints"].as_array().is_none_or(Vec::is_empty) {
        return Err("At least 1 endpoint is required".into());
    }
    if sent["name"].as_str().is_none_or(str::is_empty) {
        return Err("name: Path `name` is required.".into());
    }
    for (index, channel) in sent["defaultChannelConfig"].as_array().into_iter().flatten().enumerate() {
        for path in ["urlPattern", "name"] {
            if channel[path].as_str().is_none_or(str::is_empty) {
                return Err(format!("defaultChannelConfig.{index}.{path}: Path `{path}` is required."));
            }
        }
    }
    for (index, definition) in sent["configDefs"].as_array().into_iter().flatten().enumerate() {
        let kind = definition["type"].as_str().unwrap_or_default();
        if !TYPES.contains(&kind) {
            let path = format!("configDefs.{index}.type");
            return Err(format!("{path}: `{kind}` is not a valid enum value for path `type`."));
        }
    }
    Ok(sent.clone())
}

fn semver(version: &str) -> Option<[u64; 3]> {
    let release = version.split(['-', '+']).next()?;
    let parts: Vec<u64> = release.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    parts.try_into().ok()
}

/// Settings against their definitions.
pub(super) fn check_config(definitions: &Value, config: &Value) -> Result<(), String> {
    for (param, value) in config.as_object().into_iter().flatten() {
        let mut definitions = definitions.as_array().into_iter().flatten();
        let Some(definition) = definitions.find(|definition| definition["param"] == param.as_str()) else {
            return Err(format!("No config definition found for parameter {param}"));
        };
        check_value(param, definition, value)?;
    }
    Ok(())
}

/// Fields of a struct are looked at by name only.
fn check_value(param: &str, definition: &Value, value: &Value) -> Result<(), String> {
    let expected = match definition["type"].as_str().unwrap_or_default() {
        "string" if !value.is_string() => "a string.",
        "bigstring" if !value.is_string() => "a large string.",
        "number" if !value.is_number() => "a number.",
        "bool" if !value.is_boolean() => "a boolean.",
        "password" if !value.is_string() => "a string representing a password.",
        "map" | "struct" if !value.is_object() => "an object.",
        _ => "",
    };
    if !expected.is_empty() {
        return Err(format!("Expected config param {param} to be {expected}"));
    }
    for (field, _) in value.as_object().into_iter().flatten() {
        let mut template = definition["template"].as_array().into_iter().flatten();
        if definition["type"] == "struct" && !template.any(|defined| defined["param"] == field.as_str()) {
            let text = format!("Field {field} is not defined in template definition for config param {param}.");
            return Err(text);
        }
    }
    Ok(())
}
