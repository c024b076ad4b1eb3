//! A table whose rows are found by the words that a document names them with, however many rows there are.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::CodeRow;

/// What a table is made of.
pub trait Row {
    /// The other system's code as `system|code`, a code alone, or a reference such as `Location/1`.
    fn source(&self) -> &str;

    /// By what else the row is known.
    fn alias(&self) -> Option<&str> {
        None
    }
}

impl Row for CodeRow {
    fn source(&self) -> &str {
        &self.source
    }
}

impl Row for String {
    fn source(&self) -> &str {
        self
    }
}

/// Rows in their order. It reads like a list; which word names which rows is put down when it is first asked for.
#[derive(Debug)]
pub struct Table<R> {
    rows: Vec<R>,
    /// Hashes of words, in their order, and the row that each names. Sixteen bytes for a word, however long it is.
    by_word: OnceLock<Vec<(u64, u32)>>,
}

impl<R: Row> Table<R> {
    /// All rows that one of the words names: by the whole source, by what stands behind the last `|` or `/` in it, or by the alias. In
    /// the table's order. Now and then there is one more, whose word has the same hash.
    pub fn named<'t>(&'t self, words: &HashSet<String>) -> impl Iterator<Item = &'t R> {
        let by_word = self.by_word.get_or_init(|| self.index());
        let of = |word: &String| {
            let hash = hash(word);
            let first = by_word.partition_point(|(other, _)| *other < hash);
            by_word.iter().skip(first).take_while(move |(other, _)| *other == hash).map(|(_, row)| *row)
        };
        let mut found: Vec<u32> = words.iter().flat_map(of).collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().filter_map(|row| self.rows.get(row as usize))
    }

    fn index(&self) -> Vec<(u64, u32)> {
        let words = |row: &'_ R| {
            let source = row.source();
            let end = source.rsplit(['|', '/']).next().unwrap_or(source).trim();
            [Some(hash(source)), (end != source).then(|| hash(end)), row.alias().map(hash)]
        };
        let mut by_word: Vec<(u64, u32)> = (0..)
            .zip(&self.rows)
            .flat_map(|(at, row)| words(row).into_iter().flatten().map(move |word| (word, at)))
            .collect();
        by_word.sort_unstable();
        by_word
    }
}

fn hash(word: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    hasher.finish()
}

impl<R> Table<R> {
    /// One more row behind the others.
    pub fn push(&mut self, row: R) {
        self.extend([row]);
    }
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<R> Deref for Table<R> {
    type Target = [R];

    fn deref(&self) -> &[R] {
        &self.rows
    }
}

impl<R> From<Vec<R>> for Table<R> {
    fn from(rows: Vec<R>) -> Self {
        Self { rows, by_word: OnceLock::new() }
    }
}

impl<R> FromIterator<R> for Table<R> {
    fn from_iter<I: IntoIterator<Item = R>>(rows: I) -> Self {
        Vec::from_iter(rows).into()
    }
}

impl<R> Extend<R> for Table<R> {
    fn extend<I: IntoIterator<Item = R>>(&mut self, rows: I) {
        self.rows.extend(rows);
        self.by_word = OnceLock::new();
    }
}

impl<R: Clone> Clone for Table<R> {
    fn clone(&self) -> Self {
        self.rows.clone().into()
    }
}

impl<R: PartialEq> PartialEq for Table<R> {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows
    }
}

impl<R: Eq> Eq for Table<R> {}

impl<'de, R: Deserialize<'de>> Deserialize<'de> for Table<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

impl<R: Serialize> Serialize for Table<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.rows.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(table: &Table<CodeRow>, words: &[&str]) -> Vec<String> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        table.named(&words).map(|row| row.source.clone()).collect()
    }

    fn row(source: &str) -> CodeRow {
        CodeRow { source: source.to_owned(), openimis: "X".to_owned() }
    }

    #[test]
    fn a_row_is_found_by_its_source_and_by_the_ends_of_it() {
        let table: Table<CodeRow> =
            ["http://a.org|B54", "B54", "Location/ward-1", "s| C "].map(row).into_iter().collect();
        assert_eq!(named(&table, &["B54"]), ["http://a.org|B54", "B54"]);
        assert_eq!(named(&table, &["ward-1", "http://a.org|B54"]), ["http://a.org|B54", "Location/ward-1"]);
        assert_eq!(named(&table, &["C"]), ["s| C "]);
        assert_eq!(named(&table, &["b54", "a.org", "Location", ""]), [""; 0]);
    }

    #[test]
    fn a_row_that_comes_later_is_found_too() {
        let mut table = Table::from(vec![row("A")]);
        assert_eq!(named(&table, &["A", "B"]), ["A"]);
        table.push(row("B"));
        assert_eq!(named(&table, &["A", "B"]), ["A", "B"]);
        assert_eq!(named(&table.clone(), &["B"]), ["B"]);
    }
}
