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

use super::{Node, Scalar};

/// How deep values may nest that somebody asks for, as in serde_json.
const DEPTH: u8 = 127;
/// How deep others may nest before serde_json passes over them: a bit each says whether it is an object.
const BITS: u32 = 64;

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

type Read<T> = Result<T, Broken>;

/// JSON text and how far it is read.
pub(super) struct Reader<'de> {
    text: &'de str,
    at: usize,
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
    fn leave(&mut self, text: &'de str, begun: usize) -> Read<Scalar<'de>> {
        match serde_json::from_str(text) {
            Ok(Node::Value(scalar)) => Ok(scalar),
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
    fn between(&self, begun: usize, end: usize) -> &'de str {
        self.text.get(begun..end).unwrap_or_default()
    }

    /// The eight bytes at an index.
    #[inline]
    fn eight(&self, at: usize) -> Option<u64> {
        let (eight, _) = self.text.as_bytes().get(at..)?.split_first_chunk()?;
        Some(u64::from_le_bytes(*eight))
    }

    /// The next byte that is no blank.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        let byte = *self.text.as_bytes().get(self.at)?;
        if byte > b' ' { Some(byte) } else { self.peek_beyond_blanks() }
    }

    fn peek_beyond_blanks(&mut self) -> Option<u8> {
        const SPACES: u64 = repeated(b' ');
        loop {
            match *self.text.as_bytes().get(self.at)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(byte),
            }
            // Indented text is mostly spaces.
            while let Some(eight) = self.eight(self.at) {
                let spaces = ((eight ^ SPACES).trailing_zeros() / 8) as usize;
                self.at += spaces;
                if spaces < 8 {
                    break;
                }
            }
        }
    }

    /// The next byte that is no blank must be this one.
    #[inline]
    fn take(&mut self, wanted: u8) -> Read<()> {
        match self.peek() {
            Some(byte) if byte == wanted => {
                self.at += 1;
                Ok(())
            }
            _ => Err(Broken::Syntax),
        }
    }

    /// Passes over a text, from behind its first quote to behind its last one. Whether it is as it stands: without escapes.
    #[inline]
    fn skip_text(&mut self) -> Read<bool> {
        self.skip_plain();
        if self.text.as_bytes().get(self.at) == Some(&b'"') {
            self.at += 1;
            return Ok(true);
        }
        self.skip_escaped()
    }

    /// Up to the next quote, backslash or control character.
    #[inline]
    fn skip_plain(&mut self) {
        while let Some(eight) = self.eight(self.at) {
            let special = special_in(eight);
            if special != 0 {
                self.at += (special.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| !matches!(byte, 0..=0x1f | b'"' | b'\\')).count();
    }

    #[inline(never)]
    fn skip_escaped(&mut self) -> Read<bool> {
        loop {
            let bytes = self.text.as_bytes();
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(false);
                }
                Some(b'\\') => match bytes.get(self.at + 1) {
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
                    Some(b'u') => {
                        let digits = bytes.get(self.at + 2..self.at + 6).ok_or(Broken::Syntax)?;
                        if !digits.iter().all(u8::is_ascii_hexdigit) {
                            return Err(Broken::Syntax);
                        }
                        self.at += 6;
                    }
                    _ => return Err(Broken::Syntax),
                },
                _ => return Err(Broken::Syntax),
            }
            self.skip_plain();
        }
    }

    /// Reads a text; its first quote is the next byte. In a component not inlined: each shape would have a copy.
    #[cfg_attr(target_family = "wasm", inline(never))]
    fn text(&mut self) -> Read<Cow<'de, str>> {
        let quote = self.at;
        self.at += 1;
        match self.skip_text() {
            Ok(true) => Ok(Cow::Borrowed(self.between(quote + 1, self.at - 1))),
            Ok(false) => match self.leave(self.between(quote, self.at), quote)? {
                Scalar::Text(text) => Ok(Cow::Owned(text.into_owned())),
                _ => Err(Broken::Syntax),
            },
            Err(_) => {
                self.leave(self.between(quote, self.text.len()), quote)?;
                Err(Broken::Syntax)
            }
        }
    }

    /// Passes over digits; at least one.
    fn skip_digits(&mut self) -> Read<()> {
        let begun = self.at;
        while self.text.as_bytes().get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at > begun { Ok(()) } else { Err(Broken::Syntax) }
    }

    /// Passes over a whole number; without digits behind a zero.
    fn skip_whole(&mut self) -> Read<()> {
        if self.text.as_bytes().get(self.at) == Some(&b'0') {
            self.at += 1;
            return match self.text.as_bytes().get(self.at) {
                Some(b'0'..=b'9') => Err(Broken::Syntax),
                _ => Ok(()),
            };
        }
        self.skip_digits()
    }

    fn skip_number(&mut self) -> Read<()> {
        if self.text.as_bytes().get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        self.skip_whole()?;
        if self.text.as_bytes().get(self.at) == Some(&b'.') {
            self.at += 1;
            self.skip_digits()?;
        }
        if let Some(b'e' | b'E') = self.text.as_bytes().get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.as_bytes().get(self.at) {
                self.at += 1;
            }
            self.skip_digits()?;
        }
        Ok(())
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
            _ => self.leave(number, begun),
        }
    }

    fn word(&mut self, word: &str) -> Read<()> {
        let found = self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes()));
        self.at += word.len();
        if found { Ok(()) } else { Err(Broken::Syntax) }
    }

    /// Passes over a value of any kind.
    fn skip_value(&mut self) -> Read<()> {
        let mut depth = 0;
        let mut objects = 0_u64; // lowest bit: the innermost
        loop {
            // A value, or the end of an empty list or object.
            match self.peek().ok_or(Broken::Syntax)? {
                b'"' => {
                    self.at += 1;
                    self.skip_text()?;
                }
                opening @ (b'{' | b'[') => {
                    let begun = self.at;
                    self.at += 1;
                    let closing = opening + 2; // in ASCII
                    if self.peek() == Some(closing) {
                        self.at += 1;
                    } else if depth == BITS {
                        self.at = begun;
                        self.skip_deep_value()?;
                    } else {
                        depth += 1;
                        objects = objects << 1 | u64::from(opening == b'{');
                        if opening == b'{' {
                            self.skip_key()?;
                        }
                        continue;
                    }
                }
                b'-' | b'0'..=b'9' => self.skip_number()?,
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => return Err(Broken::Syntax),
            }
            // What follows a value.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let in_object = objects & 1 == 1;
                let byte = self.peek().ok_or(Broken::Syntax)?;
                self.at += 1;
                match byte {
                    b',' => {
                        if in_object {
                            self.skip_key()?;
                        }
                        break;
                    }
                    b'}' if in_object => {}
                    b']' if !in_object => {}
                    _ => return Err(Broken::Syntax),
                }
                depth -= 1;
                objects >>= 1;
            }
        }
    }

    #[cold]
    fn skip_deep_value(&mut self) -> Read<()> {
        let mut values =
            serde_json::Deserializer::from_str(self.between(self.at, self.text.len())).into_iter::<IgnoredAny>();
        match values.next() {
            Some(Ok(IgnoredAny)) => self.at += values.byte_offset(),
            _ => return Err(Broken::Syntax),
        }
        Ok(())
    }

    #[cfg_attr(target_family = "wasm", inline(never))]
    fn skip_key(&mut self) -> Read<()> {
        self.take(b'"')?;
        self.skip_text()?;
        self.take(b':')
    }
}

/// A byte eight times.
const fn repeated(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The highest bit of each byte that is a quote, a backslash or a control character, the lowest one rightly (Mycroft's way).
#[inline]
fn special_in(eight: u64) -> u64 {
    const ONES: u64 = repeated(1);
    let control = eight.wrapping_sub(ONES * 0x20) & !eight;
    let quote = eight ^ repeated(b'"');
    let backslash = eight ^ repeated(b'\\');
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    (control | quote | backslash) & repeated(0x80)
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
