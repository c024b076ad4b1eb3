//! The areas of memory in which JavaScript and the mappings meet. JavaScript writes texts one behind the other into the input area and
//! passes their lengths; the answer lies in the output area, and a few numbers say what it is.

use std::array;
use std::cell::{Cell, RefCell};

use mapping::{Issue, MapResult, encoding};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::problem::Problem;

/// An input area beyond this is given back after its call: it was for an unusual document.
const KEPT_BYTES: usize = 1 << 20;

/// What the numbers about an answer are, in their order.
#[derive(Clone, Copy)]
enum About {
    /// 0 a mapped document: body, key, warnings; 1 issues; 2 problems of settings; 3 a text.
    Kind,
    /// Where the output begins.
    Start,
    /// How many bytes it has.
    Bytes,
    /// Characters of UTF-16 of the body; all of the other kinds.
    Body,
    /// Of the idempotency key that follows it. The rest are the warnings, as JSON.
    Key,
    /// 1: every byte is a character.
    Ascii,
}
const ABOUT: usize = 6;

thread_local! {
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static OUTPUT: RefCell<String> = const { RefCell::new(String::new()) };
    static ANSWER: [Cell<u32>; ABOUT] = const { [const { Cell::new(0) }; ABOUT] };
}

/// This instance's memory.
#[wasm_bindgen(js_name = linearMemory)]
pub fn linear_memory() -> JsValue {
    wasm_bindgen::memory()
}

/// Where the input area is, with room for so many bytes.
#[wasm_bindgen]
pub fn room(bytes: u32) -> u32 {
    INPUT.with_borrow_mut(|area| {
        let bytes = bytes as usize;
        if area.len() < bytes {
            area.resize(bytes, 0);
        }
        address(area.as_ptr())
    })
}

/// Where the numbers about an answer are; always at the same place.
#[wasm_bindgen]
pub fn answer() -> u32 {
    ANSWER.with(|answer| address(answer.as_ptr()))
}

fn address<T>(pointer: *const T) -> u32 {
    pointer.addr() as u32
}

/// One of the texts of the input area.
#[derive(Clone, Copy)]
pub enum Part<'a> {
    /// It was not given.
    Absent,
    /// Its bytes.
    Given(&'a [u8]),
}

impl<'a> Part<'a> {
    /// The text, or where it stops being one: in the host's words.
    pub fn text(self) -> Result<&'a str, Vec<Issue>> {
        let Self::Given(bytes) = self else { return Ok("") };
        encoding::text(bytes).map_err(|issue| vec![issue])
    }

    /// What JavaScript encoded itself, so that it is text.
    pub fn given(self) -> Option<&'a str> {
        match self {
            Self::Given(bytes) => std::str::from_utf8(bytes).ok(),
            Self::Absent => None,
        }
    }
}

/// The texts of the input area by their lengths; -1 is a text that was not given.
pub fn input<const N: usize, T>(lengths: &[i32; N], with: impl FnOnce([Part; N]) -> T) -> T {
    INPUT.with_borrow_mut(|area| {
        let mut rest = area.as_slice();
        let result = with(array::from_fn(|index| {
            let Ok(length) = usize::try_from(lengths[index]) else { return Part::Absent };
            let (part, others) = rest.split_at(length.min(rest.len()));
            rest = others;
            Part::Given(part)
        }));
        if area.len() > KEPT_BYTES {
            *area = Vec::new();
        }
        result
    })
}

/// A mapped document or its issues.
pub fn put_result(result: &MapResult) {
    match result {
        Ok(mapped) => {
            let warnings = if mapped.warnings.is_empty() { String::new() } else { json(&mapped.warnings) };
            put(0, [&mapped.body, &mapped.idempotency_key, &warnings]);
        }
        Err(issues) => put(1, [&json(issues), "", ""]),
    }
}

/// What is wrong with settings.
pub fn put_problems(problems: &[Problem]) {
    put(2, [&json(problems), "", ""]);
}

/// A text by itself.
pub fn put_text(text: &str) {
    put(3, [text, "", ""]);
}

fn json<T: serde::Serialize>(list: &[T]) -> String {
    serde_json::to_string(list).unwrap_or_default() // texts under fixed keys: cannot fail
}

fn put(kind: u32, [body, key, rest]: [&str; 3]) {
    OUTPUT.with_borrow_mut(|output| {
        output.clear();
        output.push_str(body);
        output.push_str(key);
        output.push_str(rest);
        let ascii = output.is_ascii();
        let characters = |text: &str| if ascii { text.len() } else { text.encode_utf16().count() } as u32;
        ANSWER.with(|answer| {
            let set = |about: About, number: u32| answer[about as usize].set(number);
            set(About::Kind, kind);
            set(About::Start, address(output.as_ptr()));
            set(About::Bytes, output.len() as u32);
            set(About::Body, characters(body));
            set(About::Key, characters(key));
            set(About::Ascii, ascii.into());
        });
    });
}
