//! Reading JSON leniently and without copies, and writing it.
//!
//! A derived `Deserialize` stops at the first element of a wrong kind; a map must report all of them. A [`Node`] never
//! fails on a wrong kind, it remembers which kind was there instead. One pass, text borrowed from the input.

#[cfg(test)]
mod parity;
mod reader;
mod skip;
mod writer;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::issue::Issue;
use crate::text;
use reader::{Broken, Reader};
pub(crate) use writer::{Unwritable, to_json};

/// What kind of JSON value was found. Its text is safe to show.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Bool,
    Number,
    Text,
    Array,
    Object,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Array => "an array",
            Self::Object => "an object",
        })
    }
}

/// An element of a document: absent (or null), of the shape `T`, or of some other kind.
#[derive(Clone, Debug, Default)]
pub(crate) enum Node<T> {
    #[default]
    Absent,
    Value(T),
    Other(Kind),
}

impl<T> Node<T> {
    /// The value, if it has the right shape.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    /// The value; an absent element or one of a wrong kind is an issue.
    pub fn require(&self, path: &'static str, expected: &str, issues: &mut Vec<Issue>) -> Option<&T> {
        match self {
            Self::Value(value) => return Some(value),
            Self::Absent => issues.push(Issue::missing(path, expected)),
            Self::Other(kind) => issues.push(Issue::unusable(path, expected, kind)),
        }
        None
    }
}

impl<'a, T> Node<Vec<Node<T>>> {
    /// The elements of the right shape; empty if this is no list.
    pub fn items(&'a self) -> impl Iterator<Item = &'a T> {
        self.value().into_iter().flatten().filter_map(Node::value)
    }
}

/// A shape that a [`Node`] can take. Each method is asked for one JSON kind; none means "not this kind".
pub(crate) trait Shape<'de>: Sized {
    fn from_text(_: Cow<'de, str>) -> Option<Self> {
        None
    }
    fn from_bool(_: bool) -> Option<Self> {
        None
    }
    fn from_integer(_: i64) -> Option<Self> {
        None
    }
    fn from_float(_: f64) -> Option<Self> {
        None
    }
    fn from_array<A: SeqAccess<'de>>(mut array: A) -> Result<Option<Self>, A::Error> {
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
    fn from_object<A: MapAccess<'de>>(mut object: A) -> Result<Option<Self>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

impl<'de, T: Shape<'de>> Deserialize<'de> for Node<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor(PhantomData))
    }
}

struct NodeVisitor<T>(PhantomData<T>);

fn node<T>(value: Option<T>, kind: Kind) -> Node<T> {
    value.map_or(Node::Other(kind), Node::Value)
}

impl<'de, T: Shape<'de>> Visitor<'de> for NodeVisitor<T> {
    type Value = Node<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Node::Absent)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(node(T::from_bool(value), Kind::Bool))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(node(T::from_integer(value), Kind::Number))
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        // A number beyond i64 is no answer to anything; as a float it is told like any other wrong number.
        Ok(node(i64::try_from(value).map_or_else(|_| T::from_float(value as f64), T::from_integer), Kind::Number))
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(node(T::from_float(value), Kind::Number))
    }
    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(node(T::from_text(Cow::Borrowed(value)), Kind::Text))
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(node(T::from_text(Cow::Owned(value.to_owned())), Kind::Text))
    }
    fn visit_string<E: Error>(self, value: String) -> Result<Self::Value, E> {
        Ok(node(T::from_text(Cow::Owned(value)), Kind::Text))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, array: A) -> Result<Self::Value, A::Error> {
        Ok(node(T::from_array(array)?, Kind::Array))
    }
    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        Ok(node(T::from_object(object)?, Kind::Object))
    }
}

/// Text with a meaning for machines (a code, a number, a day), borrowed where it has no escapes: read as [`text::plain`].
#[derive(Clone, Debug)]
pub(crate) struct Text<'a>(pub Cow<'a, str>);

/// Text for people (a name, an address, a sentence): read as [`text::name`].
#[derive(Clone, Debug)]
pub(crate) struct Words<'a>(pub Cow<'a, str>);

impl Text<'_> {
    pub fn trimmed(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Words<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Shape<'de> for Text<'a> {
    fn from_text(found: Cow<'de, str>) -> Option<Self> {
        Some(Self(clean(found, text::plain)))
    }
}

impl<'de: 'a, 'a> Shape<'de> for Words<'a> {
    fn from_text(found: Cow<'de, str>) -> Option<Self> {
        Some(Self(clean(found, text::name)))
    }
}

/// A text as it is read; still borrowed if it was.
#[inline]
fn clean<'a>(found: Cow<'a, str>, read: fn(&str) -> Cow<'_, str>) -> Cow<'a, str> {
    match found {
        Cow::Borrowed(found) => read(found),
        Cow::Owned(found) => match read(&found) {
            Cow::Borrowed(clean) if clean.len() == found.len() => Cow::Owned(found),
            clean => Cow::Owned(clean.into_owned()),
        },
    }
}

/// Text, number or boolean: what a form may send for an answer.
#[derive(Clone, Debug)]
pub(crate) enum Scalar<'a> {
    Text(Cow<'a, str>),
    Bool(bool),
    Integer(i64),
    Float(f64),
}

impl<'de: 'a, 'a> Shape<'de> for Scalar<'a> {
    fn from_text(found: Cow<'de, str>) -> Option<Self> {
        Some(Self::Text(clean(found, text::plain)))
    }
    fn from_bool(value: bool) -> Option<Self> {
        Some(Self::Bool(value))
    }
    fn from_integer(value: i64) -> Option<Self> {
        Some(Self::Integer(value))
    }
    fn from_float(value: f64) -> Option<Self> {
        Some(Self::Float(value))
    }
}

impl<'de, T: Shape<'de>> Shape<'de> for Vec<Node<T>> {
    fn from_array<A: SeqAccess<'de>>(mut array: A) -> Result<Option<Self>, A::Error> {
        let mut items = Self::new();
        while let Some(item) = array.next_element()? {
            items.push(item);
        }
        Ok(Some(items))
    }
}

/// Reads an object into a struct whose fields are all [`Node`]s.
pub(crate) fn object<'de, T: Deserialize<'de>, A: MapAccess<'de>>(map: A) -> Result<Option<T>, A::Error> {
    T::deserialize(MapAccessDeserializer::new(map)).map(Some)
}

/// Makes structs of [`Node`]s readable as objects.
macro_rules! object_shape {
    ($($name:ident),+) => {$(
        impl<'de: 'a, 'a> crate::json::Shape<'de> for $name<'a> {
            fn from_object<A: serde::de::MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
                crate::json::object(map)
            }
        }
    )+};
}
pub(crate) use object_shape;

/// Reads a whole document. Text that is not JSON, or not an object, is one fatal issue: position and kind only,
/// since serde's own message may quote the input.
pub(crate) fn document<'a, T>(text: &'a str, expected: &'static str) -> Result<T, Vec<Issue>>
where
    T: Shape<'a>,
{
    let text = without_mark(text);
    if text.trim().is_empty() {
        return Err(vec![Issue::fatal(expected, "expected a JSON object; found an empty text")]);
    }
    let mut reader = Reader::new(text);
    match reader.document::<Node<T>>() {
        Ok(Node::Value(document)) => Ok(document),
        Ok(Node::Absent) => Err(vec![Issue::fatal(expected, "expected a JSON object; found null")]),
        Ok(Node::Other(kind)) => Err(vec![Issue::fatal(expected, format!("expected a JSON object; found {kind}"))]),
        Err(broken) => Err(vec![unreadable(&mut reader, broken, expected)]),
    }
}

/// Reads a part of a document that was read already.
pub(crate) fn part<'a, T: Shape<'a>>(text: &'a str) -> Node<T> {
    Reader::new(text).document().unwrap_or_default()
}

#[cold]
fn unreadable(reader: &mut Reader, broken: Broken, expected: &'static str) -> Issue {
    // Every second byte is zero: letters of two bytes that were read as letters of one.
    if let [0, one, 0, other, ..] | [one, 0, other, 0, ..] = reader.text.as_bytes()
        && (*one != 0 && *other != 0)
    {
        return Issue::fatal(expected, "expected text in UTF-8; found UTF-16");
    }
    let what = if broken == Broken::Data { "a key is there twice" } else { "not well-formed JSON" };
    let (line, column) = reader.place(broken);
    Issue::fatal(expected, format!("{what} (line {line}, column {column})"))
}

/// Text without the byte order mark that some write in front of it.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}
