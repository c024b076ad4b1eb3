//! Telephone numbers as E.164.

/// Writes a telephone number as E.164: `+`, then 8 to 15 digits. Blanks, hyphens, dots and brackets are separators; a slash is not,
/// since `4412345/6` is two numbers. A trunk 0 in brackets, `+977 (0) 98…`, is not dialled from abroad.
pub fn e164(number: &str, prefix: &str) -> Option<String> {
    let mut plain = String::with_capacity(number.len());
    for character in number.replacen("(0)", "", 1).chars() {
        match character {
            '0'..='9' => plain.push(character),
            '०'..='९' => plain.push(char::from(b'0' + (u32::from(character) - u32::from('०')) as u8)),
            '+' if plain.is_empty() => plain.push('+'),
            ' ' | '-' | '.' | '(' | ')' | '\u{a0}' => {}
            _ => return None,
        }
    }
    let international = if let Some(digits) = plain.strip_prefix('+') {
        digits.to_owned()
    } else if let Some(digits) = plain.strip_prefix("00") {
        digits.to_owned()
    } else {
        let country = prefix.strip_prefix('+').filter(|country| !country.is_empty())?;
        // A national number is written with or without its trunk 0; seven digits or more after the country's code have it already.
        match plain.strip_prefix(country) {
            Some(national) if national.len() >= 7 => plain,
            _ => format!("{country}{}", plain.strip_prefix('0').unwrap_or(&plain)),
        }
    };
    let valid = (8..=15).contains(&international.len()) && !international.starts_with('0');
    valid.then(|| format!("+{international}"))
}
