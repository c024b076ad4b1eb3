//! How a piece of data is cut into what a target takes.

/// Ends a part. Never a byte of UTF-8, so a plain document is a whole first part: every fixture is an input as it is.
const END: u8 = 0xFF;

/// The parts of a piece of data, in order. What is not UTF-8 becomes U+FFFD, as no door takes other text.
pub struct Parts<'a>(std::slice::Split<'a, u8, fn(&u8) -> bool>);

impl<'a> Parts<'a> {
    pub fn of(data: &'a [u8]) -> Self {
        Self(data.split(|byte| *byte == END))
    }

    /// The next part; none behind the last one.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        self.0.next()
    }

    /// The next part as text.
    pub fn text(&mut self) -> Option<String> {
        self.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// The next part, a byte for each choice.
    pub fn choices(&mut self) -> Choices<'a> {
        Choices(self.bytes().unwrap_or_default())
    }
}

/// Small numbers; 0, the usual choice, where the data has ended.
pub struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Letters and digits count from `a` and `0`, so that an input can be written by hand.
    pub fn below(&mut self, end: usize) -> usize {
        let byte = self.byte();
        let number = match byte {
            b'a'..=b'z' => byte - b'a',
            b'0'..=b'9' => byte - b'0',
            other => other,
        };
        usize::from(number) % end
    }

    pub fn yes(&mut self) -> bool {
        self.below(2) == 1
    }

    pub fn number(&mut self) -> i16 {
        i16::from_le_bytes([self.byte(), self.byte()])
    }
}
