//! How openIMIS says no: an `OperationOutcome`, nearly always with status 500, or Django's HTML page.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

const SERVER_ERROR: &str = "\n<!doctype html>\n<html lang=\"en\">\n<head>\n  <title>Server Error (500)</title>\n\
    </head>\n<body>\n  <h1>Server Error (500)</h1><p></p>\n</body>\n</html>\n";
const NOT_FOUND: &str = "\n<!doctype html>\n<html lang=\"en\">\n<head>\n  <title>Not Found</title>\n</head>\n<body>\n  \
    <h1>Not Found</h1><p>The requested resource was not found on this server.</p>\n</body>\n</html>\n";

/// A refused request. The text is what clients tell the cases apart by.
#[derive(Debug)]
pub(super) enum Refusal {
    /// An `OperationOutcome` with one issue.
    Outcome { status: StatusCode, severity: &'static str, code: &'static str, text: String },
    /// Django's page for an exception nobody caught.
    ServerError,
    /// Django's page for an address nobody serves.
    NoSuchPage,
}

impl Refusal {
    /// A business error: 500, severity error.
    pub fn exception(text: impl Into<String>) -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::Outcome { status, severity: "error", code: "exception", text: text.into() }
    }

    /// An error of the REST framework: severity fatal.
    pub fn fatal(status: u16, text: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::Outcome { status, severity: "fatal", code: "exception", text: text.into() }
    }

    /// 404 with a text.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::Outcome { status: StatusCode::NOT_FOUND, severity: "error", code: "not-found", text: text.into() }
    }

    /// A `ValidationError` of Django: its text is Python's way to print a list of one string.
    pub fn listed(text: &str) -> Self {
        let text = text.replace('\\', "\\\\").replace('\n', "\\n");
        Self::exception(match (text.contains('\''), text.contains('"')) {
            (true, false) => format!("[\"{text}\"]"),
            _ => format!("['{}']", text.replace('\'', "\\'")),
        })
    }

    /// No row of `model` with this uuid.
    pub fn no_such_uuid(model: &str, uuid: uuid::Uuid) -> Self {
        let filter = format!("{{'uuid': UUID('{uuid}')}}");
        Self::listed(&format!(
            "failed to retrieve {model} with the filter {filter}; details {model} matching query does not exist."
        ))
    }

    /// No current row of `model` with this code.
    pub fn no_such_code(model: &str, field: &str, code: &str) -> Self {
        let filter = format!("{{'validity_to__isnull': True, '{field}': '{code}'}}");
        Self::listed(&format!(
            "failed to retrieve {model} with the filter {filter}; details {model} matching query does not exist."
        ))
    }

    /// What pydantic says of a resource: each error is a place and what is wrong there.
    pub fn invalid(model: &str, errors: &[(String, &str)]) -> Self {
        let plural = if errors.len() == 1 { "" } else { "s" };
        let lines: String = errors.iter().map(|(place, wrong)| format!("\n{place}\n  {wrong}")).collect();
        Self::exception(format!("{} validation error{plural} for {model}{lines}", errors.len()))
    }

    /// The patient a reference names is not there.
    pub fn no_such_patient(reference: &Value) -> Self {
        Self::exception(format!(
            "Failed to find the resource based on reference(with contain: False, converter: PatientConverter): \
             resource_type='Reference' fhir_comments=None extension=None id=None display={} display__ext=None \
             identifier={} reference={} reference__ext=None type={} type__ext=None",
            python(&reference["display"]),
            python_identifier(&reference["identifier"]),
            python(&reference["reference"]),
            python(&reference["type"]),
        ))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
        match self {
            Self::ServerError => (StatusCode::INTERNAL_SERVER_ERROR, html, SERVER_ERROR).into_response(),
            Self::NoSuchPage => (StatusCode::NOT_FOUND, html, NOT_FOUND).into_response(),
            Self::Outcome { status, severity, code, text } => {
                let issue = json!({"severity": severity, "code": code, "details": {"text": text}});
                (status, Json(json!({"resourceType": "OperationOutcome", "issue": [issue]}))).into_response()
            }
        }
    }
}

/// What pydantic says of an absent element.
pub(super) const REQUIRED: &str = "field required (type=value_error.missing)";

/// Reads a body as the REST framework does, wording of the error included.
pub(super) fn json_body(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line().max(1), error.column().max(1));
        let skipped: usize = body.split_inclusive(|byte| *byte == b'\n').take(line - 1).map(<[u8]>::len).sum();
        let expected = match error.to_string() {
            text if text.starts_with("key must be a string") => "Expecting property name enclosed in double quotes",
            _ => "Expecting value",
        };
        let text =
            format!("JSON parse error - {expected}: line {line} column {column} (char {})", skipped + column - 1);
        Refusal::fatal(400, text)
    })
}

/// As Python prints a value: `None`, `True`, `'text'`.
pub(super) fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}

fn python_identifier(identifier: &Value) -> String {
    if identifier.is_null() {
        return "None".into();
    }
    let coding = &identifier["type"]["coding"][0];
    format!(
        "Identifier(resource_type='Identifier', fhir_comments=None, extension=None, id=None, assigner=None, \
         period=None, system=None, system__ext=None, type=CodeableConcept(resource_type='CodeableConcept', \
         fhir_comments=None, extension=None, id=None, coding=[Coding(resource_type='Coding', fhir_comments=None, \
         extension=None, id=None, code={}, code__ext=None, display=None, display__ext=None, system={}, \
         system__ext=None, userSelected=None, userSelected__ext=None, version=None, version__ext=None)], text=None, \
         text__ext=None), use=None, use__ext=None, value={}, value__ext=None)",
        python(&coding["code"]),
        python(&coding["system"]),
        python(&identifier["value"]),
    )
}
