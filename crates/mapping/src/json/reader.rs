//! Reads JSON text into shapes: what nobody asked for is checked and passed over eight bytes at a time.
//!
//! It takes what serde_json takes, gives what serde_json gives, and tells a mistake at the place where serde_json tells it.
//! What is rare is left to serde_json itself: texts with escapes, numbers that are no small whole ones, where a mistake is.

use std::borrow::Cow;
use std::{fmt, iter, mem};

use serde::de::value::{BorrowedStrDeserializer, MapDeserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Node, Scalar, Shape};

/// How deep values may nest that somebody asks for, as in serde_json.
const DEPTH: u8 = 127;

/// Why reading ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Broken {
    /// It is not JSON.
    Syntax,
    /// It is, and a shape does not take it.
    Data,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not as it should be")
    }
}

impl std::error::Error for Broken {}

impl Error for Broken {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Data
    }

    fn duplicate_field(_: &'static str) -> Self {
        Self::Data
    }
}

pub(super) type Read<T> = Result<T, Broken>;

/// JSON text and how far it is read.
pub(super) struct Reader<'de> {
    pub text: &'de str,
    pub at: usize,
    /// How much deeper values may nest that somebody asks for.
    room: u8,
    /// Where serde_json found a mistake in what was left to it.
    mistake: Option<usize>,
}

impl<'de> Reader<'de> {
    pub fn new(text: &'de str) -> Self {
        Self { text, at: 0, room: DEPTH, mistake: None }
    }

    /// Reads a document, which nothing but blanks may follow.
    pub fn document<T: Deserialize<'de>>(&mut self) -> Read<T> {
        let document = T::deserialize(&mut *self)?;
        match self.peek() {
            None => Ok(document),
            Some(_) => Err(Broken::Syntax),
        }
    }

    /// Line and column of what ended reading.
    #[cold]
    pub fn place(&mut self, broken: Broken) -> (usize, usize) {
        if broken == Broken::Data {
            // serde_json looks at what follows first.
            if self.peek() == Some(b'}') {
                self.at += 1;
            }
        } else if self.mistake.is_none()
            && let Err(error) = serde_json::from_str::<IgnoredAny>(self.text)
        {
            return (error.line(), error.column());
        }
        let before = &self.text.as_bytes()[..self.mistake.unwrap_or(self.at).min(self.text.len())];
        let line = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        (1 + before[..line].iter().filter(|byte| **byte == b'\n').count(), before.len() - line)
    }

    /// Has serde_json read a text or a number that begins at an index.
    #[inline(never)]
    fn leave(&mut self, text: &'de str, begun: usize) -> Read<Left<'de>> {
        match serde_json::from_str(text) {
            Ok(Node::Value(left)) => Ok(left),
            Ok(_) => Err(Broken::Syntax),
            Err(error) => {
                let line = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
                self.mistake = Some(begun + line + error.column());
                Err(Broken::Syntax)
            }
        }
    }

    /// The text from one index to another. Both are at quotes, brackets or digits, so it is always there.
    #[inline]
    pub fn between(&self, begun: usize, end: usize) -> &'de str {
        self.text.get(begun..end).unwrap_or_default()
    }

    /// Reads a text; its first quote is the next byte. In a component not inlined: each shape would have a copy.
    #[cfg_attr(target_family = "wasm", inline(never))]
    fn text(&mut self) -> Read<Cow<'de, str>> {
        let quote = self.at;
        self.at += 1;
        match self.skip_text() {
            Ok(true) => Ok(Cow::Borrowed(self.between(quote + 1, self.at - 1))),
            Ok(false) => match self.leave(self.between(quote, self.at), quote)? {
                Left::Text(text) => Ok(text),
                Left::Number(_) => Err(Broken::Syntax),
            },
            Err(_) => {
                self.leave(self.between(quote, self.text.len()), quote)?;
                Err(Broken::Syntax)
            }
        }
    }

    /// Reads a number.
    fn number(&mut self) -> Read<Scalar<'de>> {
        let begun = self.at;
        self.skip_number()?;
        let number = self.between(begun, self.at);
        match number.as_bytes() {
            digits @ [b'0'..=b'9', ..] if digits.len() < 19 && digits.iter().all(u8::is_ascii_digit) => {
                Ok(Scalar::Integer(digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))))
            }
            // It is written as a number is, so all that can be wrong is that it is too large.
            _ => match self.leave(number, begun) {
                Ok(Left::Number(number)) => Ok(number),
                _ => {
                    self.mistake = None;
                    Ok(Scalar::Float(f64::INFINITY))
                }
            },
        }
    }
}

#[inline]
fn visit_text<'de, V: Visitor<'de>>(text: Cow<'de, str>, visitor: V) -> Read<V::Value> {
    match text {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Broken;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.peek().ok_or(Broken::Syntax)? {
            b'"' => visit_text(self.text()?, visitor),
            b'{' => {
                let mut elements = Elements::of(self, b'}')?;
                let value = visitor.visit_map(&mut elements)?;
                elements.close()?;
                Ok(value)
            }
            b'[' => {
                let mut elements = Elements::of(self, b']')?;
                let value = visitor.visit_seq(&mut elements)?;
                elements.close()?;
                Ok(value)
            }
            b'-' | b'0'..=b'9' => match self.number()? {
                Scalar::Integer(number) => match u64::try_from(number) {
                    Ok(number) => visitor.visit_u64(number),
                    Err(_) => visitor.visit_i64(number),
                },
                Scalar::Float(number) => visitor.visit_f64(number),
                _ => Err(Broken::Syntax),
            },
            b't' => {
                self.word("true")?;
                visitor.visit_bool(true)
            }
            b'f' => {
                self.word("false")?;
                visitor.visit_bool(false)
            }
            b'n' => {
                self.word("null")?;
                visitor.visit_unit()
            }
            _ => Err(Broken::Syntax),
        }
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.skip_value()?;
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.peek() {
            Some(b'n') => {
                self.word("null")?;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Read<V::Value> {
        if !name.ends_with("::RawValue") {
            return visitor.visit_newtype_struct(self);
        }
        // serde_json's RawValue asks for a map with its own name as the key and the value's text. If that changes, it refuses.
        self.peek();
        let begun = self.at;
        self.skip_value()?;
        let raw = BorrowedStrDeserializer::new(self.between(begun, self.at));
        visitor.visit_map(MapDeserializer::new(iter::once((name, Raw(raw)))))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct enum identifier
    }
}

/// What is left to serde_json, as it is written. One type for all of it: each further one would bring another parser into a component.
enum Left<'a> {
    Text(Cow<'a, str>),
    Number(Scalar<'a>),
}

impl<'de> Shape<'de> for Left<'de> {
    fn from_text(text: Cow<'de, str>) -> Option<Self> {
        Some(Self::Text(text))
    }
    fn from_integer(number: i64) -> Option<Self> {
        Some(Self::Number(Scalar::Integer(number)))
    }
    fn from_float(number: f64) -> Option<Self> {
        Some(Self::Number(Scalar::Float(number)))
    }
}

/// A key of an object, which is read as a text whatever is asked for.
struct Key<'r, 'de>(&'r mut Reader<'de>);

impl<'de> Deserializer<'de> for Key<'_, 'de> {
    type Error = Broken;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visit_text(self.0.text()?, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The text of a value.
struct Raw<'de>(BorrowedStrDeserializer<'de, Broken>);

impl<'de> IntoDeserializer<'de, Broken> for Raw<'de> {
    type Deserializer = BorrowedStrDeserializer<'de, Broken>;

    fn into_deserializer(self) -> Self::Deserializer {
        self.0
    }
}

/// What is between brackets.
struct Elements<'r, 'de> {
    reader: &'r mut Reader<'de>,
    first: bool,
    closing: u8,
}

impl<'r, 'de> Elements<'r, 'de> {
    #[inline]
    fn of(reader: &'r mut Reader<'de>, closing: u8) -> Read<Self> {
        reader.at += 1;
        reader.room = reader.room.checked_sub(1).ok_or(Broken::Syntax)?;
        Ok(Self { reader, first: true, closing })
    }

    /// Whether there is another element.
    fn more(&mut self) -> Read<bool> {
        let byte = self.reader.peek().ok_or(Broken::Syntax)?;
        if byte == self.closing {
            return Ok(false);
        }
        if !mem::take(&mut self.first) {
            if byte != b',' {
                return Err(Broken::Syntax);
            }
            self.reader.at += 1;
        }
        Ok(true)
    }

    /// Takes the closing bracket; nothing but it may be left.
    #[inline]
    fn close(self) -> Read<()> {
        self.reader.room += 1;
        self.reader.take(self.closing)
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Broken;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Read<Option<T::Value>> {
        if self.more()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }
}

impl<'de> MapAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Broken;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Read<Option<K::Value>> {
        if !self.more()? {
            return Ok(None);
        }
        match self.reader.peek() {
            Some(b'"') => seed.deserialize(Key(self.reader)).map(Some),
            _ => Err(Broken::Syntax),
        }
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Read<V::Value> {
        self.reader.take(b':')?;
        seed.deserialize(&mut *self.reader)
    }
}
