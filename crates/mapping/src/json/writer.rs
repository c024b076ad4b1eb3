//! Writes values as JSON text, byte for byte as serde_json does: what needs no escape is looked for eight bytes at a time.
//!
//! It writes what maps write: objects, lists, texts, whole numbers, booleans, and JSON that is there already ([`RawValue`]).
//! It refuses floats, which cannot hold amounts, and variants with data, which FHIR does not know.
//!
//! [`RawValue`]: serde_json::value::RawValue

use std::fmt;

use serde::ser::{self, Error, Impossible, Serialize, Serializer};

use super::skip::plain;

/// Room for most of what maps write, so that it is seldom moved.
const ROOM: usize = 1024;

/// The value as JSON text.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String, Unwritable> {
    let mut writer = Writer { text: String::with_capacity(ROOM), as_it_is: false };
    value.serialize(&mut writer)?;
    Ok(writer.text)
}

/// A value that has no place in what maps write.
#[derive(Debug)]
pub(crate) struct Unwritable;

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot be written as JSON")
    }
}

impl std::error::Error for Unwritable {}

impl Error for Unwritable {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

type Written = Result<(), Unwritable>;

struct Writer {
    text: String,
    /// The next text is JSON already.
    as_it_is: bool,
}

impl Writer {
    /// The name of an element, as it stands in our source: without escapes.
    #[cfg_attr(target_family = "wasm", inline(never))]
    fn name(&mut self, name: &'static str) {
        debug_assert_eq!(plain(name.as_bytes()), name.len(), "{name}");
        self.comma();
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
    }

    #[cfg_attr(target_family = "wasm", inline(never))]
    fn quoted(&mut self, text: &str) {
        self.text.push('"');
        let at = plain(text.as_bytes());
        if at == text.len() {
            self.text.push_str(text);
        } else {
            self.escaped(text, at);
        }
        self.text.push('"');
    }

    #[cold]
    fn escaped(&mut self, mut text: &str, mut at: usize) {
        loop {
            // Never within a character: what is special is ASCII.
            self.text.push_str(text.get(..at).unwrap_or_default());
            let Some(special) = text.as_bytes().get(at) else { return };
            let escape = match *special {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                0x08 => "\\b",
                b'\t' => "\\t",
                b'\n' => "\\n",
                0x0c => "\\f",
                b'\r' => "\\r",
                control => {
                    self.text.push_str(if control < 0x10 { "\\u000" } else { "\\u001" });
                    let digit = usize::from(control % 0x10);
                    "0123456789abcdef".get(digit..=digit).unwrap_or_default()
                }
            };
            self.text.push_str(escape);
            text = text.get(at + 1..).unwrap_or_default();
            at = plain(text.as_bytes());
        }
    }

    /// What comes in front of the next element or key: nothing behind what was just opened.
    #[cfg_attr(target_family = "wasm", inline(never))]
    fn comma(&mut self) {
        if !matches!(self.text.as_bytes().last(), Some(b'[' | b'{')) {
            self.text.push(',');
        }
    }
}

impl Serializer for &mut Writer {
    type Ok = ();
    type Error = Unwritable;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Impossible<(), Unwritable>;
    type SerializeTupleVariant = Impossible<(), Unwritable>;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), Unwritable>;

    fn serialize_str(self, text: &str) -> Written {
        if self.as_it_is {
            self.text.push_str(text);
        } else {
            self.quoted(text);
        }
        Ok(())
    }

    fn serialize_bool(self, value: bool) -> Written {
        self.text.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_i8(self, number: i8) -> Written {
        self.serialize_i64(number.into())
    }

    fn serialize_i16(self, number: i16) -> Written {
        self.serialize_i64(number.into())
    }

    fn serialize_i32(self, number: i32) -> Written {
        self.serialize_i64(number.into())
    }

    fn serialize_i64(self, number: i64) -> Written {
        self.text.push_str(&number.to_string());
        Ok(())
    }

    fn serialize_u8(self, number: u8) -> Written {
        self.serialize_u64(number.into())
    }

    fn serialize_u16(self, number: u16) -> Written {
        self.serialize_u64(number.into())
    }

    fn serialize_u32(self, number: u32) -> Written {
        self.serialize_u64(number.into())
    }

    fn serialize_u64(self, number: u64) -> Written {
        self.text.push_str(&number.to_string());
        Ok(())
    }

    fn serialize_f32(self, _: f32) -> Written {
        Err(Unwritable)
    }

    fn serialize_f64(self, _: f64) -> Written {
        Err(Unwritable)
    }

    fn serialize_char(self, character: char) -> Written {
        self.serialize_str(character.encode_utf8(&mut [0; 4]))
    }

    fn serialize_bytes(self, _: &[u8]) -> Written {
        Err(Unwritable)
    }

    fn serialize_none(self) -> Written {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Written {
        self.text.push_str("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Written {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Written {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(self, _: &str, _: u32, _: &str, _: &T) -> Written {
        Err(Unwritable)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Unwritable> {
        self.text.push('[');
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Unwritable> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Unwritable> {
        Err(Unwritable)
    }

    fn serialize_tuple_variant(
        self,
        _: &str,
        _: u32,
        _: &str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unwritable> {
        Err(Unwritable)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Unwritable> {
        self.text.push('{');
        Ok(self)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Self, Unwritable> {
        // serde_json's RawValue is a struct of that name with one field: its text.
        self.as_it_is = name.ends_with("::RawValue");
        if !self.as_it_is {
            self.text.push('{');
        }
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &str,
        _: u32,
        _: &str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unwritable> {
        Err(Unwritable)
    }
}

impl ser::SerializeSeq for &mut Writer {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.comma();
        value.serialize(&mut **self)
    }

    fn end(self) -> Written {
        self.text.push(']');
        Ok(())
    }
}

impl ser::SerializeTuple for &mut Writer {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Written {
        ser::SerializeSeq::end(self)
    }
}

impl ser::SerializeMap for &mut Writer {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Written {
        self.comma();
        let begun = self.text.len();
        key.serialize(&mut **self)?;
        let is_text = self.text.as_bytes().get(begun) == Some(&b'"');
        if is_text { Ok(()) } else { Err(Unwritable) }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.text.push(':');
        value.serialize(&mut **self)
    }

    fn end(self) -> Written {
        self.text.push('}');
        Ok(())
    }
}

impl ser::SerializeStruct for &mut Writer {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Written {
        if !self.as_it_is {
            self.name(name);
        }
        value.serialize(&mut **self)
    }

    fn end(self) -> Written {
        if !std::mem::take(&mut self.as_it_is) {
            self.text.push('}');
        }
        Ok(())
    }
}
