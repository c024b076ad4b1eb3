//! Code tables on their way into a component. Each call copies its settings into an instance of its own, so a table of ten thousand rows
//! would cost more than the mapping. A row that names what the document does not say cannot matter: it stays here. Which rows
//! a word names is looked up, so that a table may grow without a claim's cost.

use std::collections::HashSet;
use std::fmt;

use mapping::codes::{CodeRow, Row, Table};
use mapping::text::{name, plain};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::wit;

/// Tables up to here go as they are: looking through the document would cost more.
const SMALL: usize = 64;

/// The words of a document, read when the first large table wants them.
pub(super) struct Words<'d> {
    document: &'d str,
    also: &'d str,
    found: std::cell::OnceCell<Option<HashSet<String>>>,
}

impl<'d> Words<'d> {
    /// `also`: a word that matters whatever the document says.
    pub fn of(document: &'d str, also: &'d str) -> Self {
        Self { document, also, found: std::cell::OnceCell::new() }
    }

    /// The rows of a table that the document may need.
    pub fn rows<'t, R: Row>(&self, table: &'t Table<R>) -> impl Iterator<Item = &'t R> {
        let words = if table.len() <= SMALL { None } else { self.read() };
        let named = words.map(|words| table.named(words));
        let all = named.is_none().then(|| table.iter());
        all.into_iter().flatten().chain(named.into_iter().flatten())
    }

    pub fn code_rows(&self, table: &Table<CodeRow>) -> Vec<wit::lookups::CodeRow> {
        let row = |row: &CodeRow| wit::lookups::CodeRow { source: row.source.clone(), openimis: row.openimis.clone() };
        self.rows(table).map(row).collect()
    }

    /// None: it is no JSON. The mapping will say so, whatever its tables are.
    fn read(&self) -> Option<&HashSet<String>> {
        let read = || {
            let mut words = HashSet::from([self.also.to_owned()]);
            let text = self.document.trim_start_matches('\u{feff}');
            let mut reader = serde_json::Deserializer::from_str(text);
            Collect(&mut words).deserialize(&mut reader).ok().map(|()| words)
        };
        self.found.get_or_init(read).as_ref()
    }
}

/// Puts every text and number of a JSON document into a set: whole, and the parts of a reference each.
struct Collect<'s>(&'s mut HashSet<String>);

impl Collect<'_> {
    fn take(&mut self, text: &str) {
        // As the mappings read it: a code, or words.
        let (text, words) = (&*plain(text), name(text));
        let words = plain(&words);
        if words != text {
            self.0.insert(words.into_owned());
        }
        self.0.insert(text.to_owned());
        if text.contains(['/', '|', ':']) && text.len() <= 2000 {
            self.0.extend(text.split(['/', '|', ':']).map(str::to_owned));
        }
    }
}

impl<'de> DeserializeSeed<'de> for Collect<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Collect<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.take(text);
        Ok(())
    }

    fn visit_u64<E>(mut self, number: u64) -> Result<(), E> {
        self.take(&number.to_string());
        Ok(())
    }

    fn visit_i64<E>(mut self, number: i64) -> Result<(), E> {
        self.take(&number.to_string());
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Collect(&mut *self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_key::<serde::de::IgnoredAny>()?.is_some() {
            entries.next_value_seed(Collect(&mut *self.0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(sources: &[&str]) -> Table<CodeRow> {
        let filler = (0..1000).map(|number| format!("http://codes.example.org|{number:05}"));
        let row = |source: String| CodeRow { source, openimis: "X".to_owned() };
        filler.chain(sources.iter().map(|source| (*source).to_owned())).map(row).collect()
    }

    fn kept(document: &str, sources: &[&str]) -> Vec<String> {
        Words::of(document, "").code_rows(&table(sources)).into_iter().map(|row| row.source).collect()
    }

    #[test]
    fn rows_that_a_document_names_in_any_way_are_kept_and_others_are_not() {
        let document = r#"{"code": {"coding": [{"system": "http://codes.example.org", "code": "00007"}, {"code": " B54 "}]},
            "provider": {"reference": "http://emr.example.org/fhir/Location/ward-1/_history/3"}, "number": 4711,
            "location": [{"reference": "urn:uuid:833d0c66-e29a-4d31-ac13-ca9050d1bfa9"}], "escaped": "a\u007cb\u00e9"}"#;
        let named = [
            "http://codes.example.org|B54",
            "B54",
            "Location/ward-1",
            "4711",
            "a|bé",
            "s|833d0c66-e29a-4d31-ac13-ca9050d1bfa9",
        ];
        let found = kept(document, &[&named[..], &["Location/ward-2", "B55"]].concat());
        assert_eq!(found, [&["http://codes.example.org|00007"], &named[..]].concat());
    }

    #[test]
    fn small_tables_and_documents_that_are_no_json_keep_every_row() {
        assert_eq!(kept("no JSON", &["B54"]).len(), 1001);
        let small = table(&[])[..SMALL].to_vec().into();
        assert_eq!(Words::of("{}", "").code_rows(&small).len(), SMALL);
    }
}
