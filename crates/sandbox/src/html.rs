//! What the stand-ins' pages for people share: readable at a glance, reloaded every two seconds. No scripts.

use std::borrow::Cow;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;\
    color:#222}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}\
    th,td{text-align:left;padding:.4rem .8rem .4rem 0;border-bottom:1px solid #ddd;vertical-align:top}\
    th{font-weight:600;color:#555}code{font-size:.85em;color:#555}form{display:inline}.done{color:#176b2c}\
    .open{color:#8a5a00}.bad{color:#a11}p.none{color:#777}button{font:inherit;padding:.1rem .6rem}";

/// A whole page.
pub(crate) fn page(title: &str, content: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content="2";
                meta name="viewport" content="width=device-width";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                (content)
            }
        }
    };
    page.into_string()
}

/// A table below its title; a sentence if it has no rows.
pub(crate) fn table<const COLUMNS: usize>(title: &str, heads: [&str; COLUMNS], rows: &[[Markup; COLUMNS]]) -> Markup {
    html! {
        h2 { (title) }
        @if rows.is_empty() {
            p.none { "Nothing yet." }
        } @else {
            table {
                tr { @for head in heads { th { (head) } } }
                @for row in rows {
                    tr { @for cell in row { td { (cell) } } }
                }
            }
        }
    }
}

/// Lines one below the other.
pub(crate) fn lines(lines: impl IntoIterator<Item = Markup>) -> Markup {
    html! {
        @for (position, line) in lines.into_iter().enumerate() {
            @if position > 0 { br; }
            (line)
        }
    }
}

/// A value as text; nothing for null.
pub(crate) fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// A value as a cell.
pub(crate) fn cell(value: &Value) -> Markup {
    html! { (text(value)) }
}
