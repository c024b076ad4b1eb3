//! The part of the reader that knows what JSON is: passes over blanks, texts, numbers and whole values, and checks them.

use serde::de::IgnoredAny;

use super::reader::{Broken, Read, Reader};

/// How deep values may nest before serde_json passes over them: a bit each says whether it is an object.
const BITS: u32 = 64;

impl Reader<'_> {
    /// The eight bytes at an index.
    #[inline]
    fn eight(&self, at: usize) -> Option<u64> {
        eight(self.text.as_bytes(), at)
    }

    /// The next byte that is no blank.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
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
    pub fn take(&mut self, wanted: u8) -> Read<()> {
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
    pub fn skip_text(&mut self) -> Read<bool> {
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
        let text = self.text.as_bytes();
        let (at, is_special) = plain_eights(text, self.at);
        self.at = at;
        if !is_special {
            self.at += one_by_one(text.get(at..).unwrap_or_default());
        }
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

    pub fn skip_number(&mut self) -> Read<()> {
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

    pub fn word(&mut self, word: &str) -> Read<()> {
        let found = self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes()));
        self.at += word.len();
        if found { Ok(()) } else { Err(Broken::Syntax) }
    }

    /// Passes over a value of any kind.
    pub fn skip_value(&mut self) -> Read<()> {
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

#[inline]
fn eight(text: &[u8], at: usize) -> Option<u64> {
    let (eight, _) = text.get(at..)?.split_first_chunk()?;
    Some(u64::from_le_bytes(*eight))
}

/// How many bytes there are before the next quote, backslash or control character.
#[inline]
pub(super) fn plain(text: &[u8]) -> usize {
    let (at, is_special) = plain_eights(text, 0);
    if is_special {
        at
    } else if special_at_end(text) {
        at + one_by_one(text.get(at..).unwrap_or_default())
    } else {
        text.len()
    }
}

/// Where the next special one is, or where there are not eight bytes left.
#[inline]
fn plain_eights(text: &[u8], mut at: usize) -> (usize, bool) {
    while let Some(eight) = eight(text, at) {
        let special = special_in(eight);
        if special != 0 {
            return (at + (special.trailing_zeros() / 8) as usize, true);
        }
        at += 8;
    }
    (at, false)
}

#[cold]
fn one_by_one(text: &[u8]) -> usize {
    text.iter().take_while(|byte| !matches!(byte, 0..=0x1f | b'"' | b'\\')).count()
}

/// Whether there is one among the last eight bytes; they are looked at at once, some of them twice.
#[inline]
fn special_at_end(text: &[u8]) -> bool {
    let eight = match (text.last_chunk::<8>(), text.first_chunk::<4>(), text.last_chunk::<4>(), text) {
        (Some(eight), ..) => u64::from_le_bytes(*eight),
        (_, Some(first), Some(last), _) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        (.., &[first, .., last]) => {
            let middle = text.get(1).copied().unwrap_or(last);
            u64::from_le_bytes([first, middle, last, b' ', b' ', b' ', b' ', b' '])
        }
        (.., &[only]) => repeated(only),
        (.., &[]) => return false,
    };
    special_in(eight) != 0
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
