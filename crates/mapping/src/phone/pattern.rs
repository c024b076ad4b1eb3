//! The expressions of dialling plans: digits, `\d`, classes such as `[2-5]`, groups, `|`, `?`, `{n}`, `{n,m}` and `$`. A few
//! hundred bytes in each component, where a library for expressions would take more than all else together.
//!
//! A set of places in a number is a `u32`: bit 3 stands before the fourth digit. So nothing is tried twice, whatever the expression.

/// Longest number that is looked at.
pub(super) const LONGEST: usize = 30;

/// A number that expressions are held against.
pub(super) struct Digits {
    /// Where each digit stands.
    places: [u32; 10],
    length: usize,
}

struct Reader<'e> {
    expression: &'e [u8],
    at: usize,
    digits: &'e Digits,
}

impl Digits {
    /// None where the text is longer than any number, or holds something else than digits.
    pub(super) fn new(text: &str) -> Option<Self> {
        let mut places = [0; 10];
        if text.len() > LONGEST {
            return None;
        }
        for (place, digit) in text.bytes().enumerate() {
            *places.get_mut(usize::from(digit.wrapping_sub(b'0')))? |= 1 << place;
        }
        Some(Self { places, length: text.len() })
    }

    /// Where matches end that begin at one of these places.
    pub(super) fn ends(&self, expression: &str, starts: u32) -> u32 {
        Reader { expression: expression.as_bytes(), at: 0, digits: self }.alternatives(starts)
    }

    /// Whether all of the number is a match.
    pub(super) fn are(&self, expression: &str) -> bool {
        self.ends(expression, 1) & (1 << self.length) != 0
    }

    /// The places behind digits of this set, of those before which we stand.
    fn step(&self, starts: u32, set: u16) -> u32 {
        let of_set = |(digit, places): (usize, &u32)| if set & (1 << digit) != 0 { *places } else { 0 };
        (starts & self.places.iter().enumerate().map(of_set).fold(0, |all, places| all | places)) << 1
    }
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.expression.get(self.at).copied()
    }

    fn next(&mut self) -> u8 {
        let byte = self.peek().unwrap_or_default();
        self.at += 1;
        byte
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn alternatives(&mut self, starts: u32) -> u32 {
        let mut ends = self.sequence(starts);
        while self.takes(b'|') {
            ends |= self.sequence(starts);
        }
        ends
    }

    fn sequence(&mut self, mut places: u32) -> u32 {
        while !matches!(self.peek(), None | Some(b'|' | b')')) {
            places = self.repeated(places);
        }
        places
    }

    fn repeated(&mut self, starts: u32) -> u32 {
        let begin = self.at;
        let mut places = self.atom(starts);
        let (least, most) = self.bounds();
        let end = self.at;
        let mut ends = if least == 0 { starts } else { 0 };
        for times in 1..=most {
            if times >= least {
                ends |= places;
            }
            if times < most && places != 0 {
                self.at = begin;
                places = self.atom(places);
            }
        }
        self.at = end;
        ends
    }

    fn bounds(&mut self) -> (u32, u32) {
        if self.takes(b'?') {
            return (0, 1);
        }
        if !self.takes(b'{') {
            return (1, 1);
        }
        let least = self.count();
        let most = if self.takes(b',') { self.count() } else { least };
        self.takes(b'}');
        (least, most)
    }

    fn count(&mut self) -> u32 {
        let mut count = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            count = count * 10 + u32::from(digit - b'0');
            self.at += 1;
        }
        count
    }

    fn atom(&mut self, starts: u32) -> u32 {
        match self.next() {
            b'(' => {
                if self.takes(b'?') {
                    self.takes(b':');
                }
                let ends = self.alternatives(starts);
                self.takes(b')');
                ends
            }
            b'[' => {
                let set = self.class();
                self.digits.step(starts, set)
            }
            b'\\' => {
                self.takes(b'd');
                self.digits.step(starts, 0x3ff)
            }
            b'$' => starts & (1 << self.digits.length),
            digit => self.digits.step(starts, bit(digit)),
        }
    }

    fn class(&mut self) -> u16 {
        let mut set = 0;
        while !matches!(self.peek(), None | Some(b']')) {
            let first = self.next();
            let last = if self.takes(b'-') { self.next() } else { first };
            set |= (first..=last).map(bit).fold(0, |all, bit| all | bit);
        }
        self.takes(b']');
        set
    }
}

fn bit(digit: u8) -> u16 {
    1 << (digit & 0xf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_matches_what_it_says() {
        let are = |digits: &str, expression: &str| Digits::new(digits).is_some_and(|digits| digits.are(expression));
        for (expression, matches, others) in [
            ("", &[""][..], &["1"][..]),
            ("06", &["06"], &["0", "6", "060"]),
            (r"[2-47]\d{2,3}", &["200", "4999", "712"], &["20", "512", "20000", "812"]),
            (r"(?:01\d|8)\d{7}", &["0140123456", "81234567"], &["40123456", "014012345"]),
            (r"1(?:2|34?)?", &["1", "12", "13", "134"], &["124", "14", "2"]),
            (r"(?:1\d){2}5$|7", &["12135", "7"], &["125", "121357", "77"]),
        ] {
            for digits in matches {
                assert!(are(digits, expression), "{digits} is {expression}");
            }
            for digits in others {
                assert!(!are(digits, expression), "{digits} is not {expression}");
            }
        }
        assert!(Digits::new("12a").is_none() && Digits::new(&"1".repeat(31)).is_none());
    }

    #[test]
    fn all_ends_are_told() {
        let digits = Digits::new("801234").expect("digits");
        assert_eq!(digits.ends("0|80?", 1), 0b110);
        assert_eq!(digits.ends(r"\d{3}", 0b11), 0b11000);
        assert_eq!(digits.ends("9", 1), 0);
    }
}
