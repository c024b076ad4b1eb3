//! What a code of another system is among openIMIS' items and services.

use rust_decimal::Decimal;

use super::Work;
use super::settings::{ItemKind, ItemRow};
use super::source::{Found, Item};
use crate::bundle::parts;
use crate::decimal::{decimal, fitting};
use crate::fhir::codes::UUID;
use crate::fhir::elements::{Concept, MANY, OpenImisId};
use crate::fhir::primitives::{plain, shown, uuid};
use crate::issue::{Issue, IssueType};
use crate::json::document;
use crate::lookup::Resource;

/// Longest code of an item or service in openIMIS.
const MAX_CODE: usize = 6;

/// FHIR's resources for openIMIS' items and services. openIMIS' app for Android names the extension after them.
const PRODUCTS: [&str; 2] = ["Medication", "ActivityDefinition"];

/// An item or service of openIMIS.
pub(super) struct Product {
    pub is_service: bool,
    /// None while openIMIS has not answered.
    pub uuid: Option<String>,
    pub code: String,
    /// The price of the table, else openIMIS' own.
    pub price: Option<Decimal>,
}

/// What became of a code.
pub(super) enum Coded {
    Known(Product),
    /// The table says that it is never claimed.
    LeftOut,
    /// An issue says why.
    Unknown,
}

impl From<Option<Product>> for Coded {
    fn from(product: Option<Product>) -> Self {
        product.map_or(Self::Unknown, Self::Known)
    }
}

impl Work<'_> {
    /// openIMIS' own reference, the table's word, or a code of openIMIS.
    pub(super) fn product_of_item(&mut self, path: &str, item: &Item) -> Coded {
        let coded = item.product_or_service.value();
        let text = coded.and_then(|concept| plain(&concept.text));
        let names_item = |url: &&str| url.ends_with("/claim-item-reference") || PRODUCTS.contains(url);
        let own = item.extension.items().find_map(|extension| {
            plain(&extension.url).filter(names_item)?;
            let reference = extension.value_reference.value()?;
            let (kind, id) = parts(reference)?;
            let kind = PRODUCTS.iter().position(|known| kind == Some(known))?;
            let named = reference.identifier.value().and_then(|found| found.of_openimis(UUID)).unwrap_or(id);
            Some((kind == 1, uuid(named)?.to_string()))
        });
        if let Some((is_service, uuid)) = own {
            let code = text.or_else(|| coded?.codes().next()).unwrap_or_default().to_owned();
            return Coded::Known(Product { is_service, uuid: Some(uuid), code, price: None });
        }
        let category = item.category.value();
        let is = |word: &str| {
            let text = category.and_then(|category| plain(&category.text));
            text.is_some_and(|text| text.eq_ignore_ascii_case(word))
                || category.is_some_and(|category| category.codes().any(|code| code == word))
        };
        let named = || {
            let mut urls = item.extension.items().filter_map(|extension| plain(&extension.url));
            urls.find_map(|url| PRODUCTS.iter().position(|known| *known == url)).map(|kind| kind == 1)
        };
        let is_service = if is("service") { Some(true) } else { is("item").then_some(false).or_else(named) };
        let path = format!("{path}.productOrService");
        match coded {
            Some(concept) => self.product(&path, concept, is_service),
            None => {
                self.issues.push(Issue::missing(path, "the code of an item or service"));
                Coded::Unknown
            }
        }
    }

    /// What a concept is in openIMIS.
    pub(super) fn product(&mut self, path: &str, concept: &Concept, is_service: Option<bool>) -> Coded {
        let settings = self.settings;
        let mut tokens = concept.tokens();
        if tokens.is_empty() {
            tokens.extend(plain(&concept.text).map(|text| crate::text::plain(text).into_owned()));
        }
        if let Some(row) = tokens.iter().find_map(|token| settings.items.iter().find(|row| row.source == *token)) {
            return self.product_of_row(path, row);
        }
        // With openIMIS' own system, or without any, the code may be openIMIS'. OpenMRS writes its own uuids without a system, too.
        let fits = |code: &&str| code.len() <= MAX_CODE && code.bytes().all(|byte| byte.is_ascii_graphic());
        let of = |is_own: fn(Option<&str>) -> bool| {
            let mut coding = concept.coding.items().take(MANY).filter(|coding| is_own(plain(&coding.system)));
            coding.find_map(|coding| plain(&coding.code).filter(fits))
        };
        let own = of(|system| system.is_some_and(|system| system.contains("openimis_fhir_r4_ig")));
        let own = own.or_else(|| of(|system| system.is_none()));
        let text = || plain(&concept.text).filter(|_| concept.coding.items().next().is_none()).filter(fits);
        let own = own.or_else(text);
        if let (Some(code), Some(is_service)) = (own, is_service) {
            return self.product_of_code(path, code, is_service, None).into();
        }
        let told: Vec<String> = tokens.iter().take(3).map(|token| shown(token)).collect();
        if told.is_empty() {
            self.issues.push(Issue::missing(path.to_owned(), "the code of an item or service"));
        } else {
            let kind = match (own, is_service) {
                (Some(_), None) => ", or a category that says item or service",
                _ => "",
            };
            let text = format!("no openIMIS item or service for {}; expected a row of items{kind}", told.join(", "));
            self.error(IssueType::NotFound, path, text);
        }
        Coded::Unknown
    }

    pub(super) fn product_of_row(&mut self, path: &str, row: &ItemRow) -> Coded {
        let is_service = match row.kind {
            ItemKind::LeftOut => return Coded::LeftOut,
            ItemKind::Service => true,
            ItemKind::Item => false,
        };
        let code = row.openimis.trim();
        match row.uuid.as_deref().and_then(uuid) {
            Some(uuid) => Coded::Known(Product {
                is_service,
                uuid: Some(uuid.to_string()),
                code: code.to_owned(),
                price: row.price(),
            }),
            None => self.product_of_code(path, code, is_service, row.price()).into(),
        }
    }

    fn product_of_code(&mut self, path: &str, code: &str, is_service: bool, price: Option<Decimal>) -> Option<Product> {
        let (resource, what) = match is_service {
            true => (Resource::ActivityDefinition, "service"),
            false => (Resource::Medication, "item"),
        };
        let before = self.issues.len();
        let known = self.known(resource, OpenImisId::Code(code.to_owned()), path, what, Some(code));
        if known.is_none() && self.issues.len() > before {
            return None;
        }
        let own = known.as_ref().and_then(|known| known.text).and_then(openimis_price);
        Some(Product { is_service, uuid: known.map(|known| known.uuid), code: code.to_owned(), price: price.or(own) })
    }
}

/// The price of an item or service of openIMIS.
fn openimis_price(text: &str) -> Option<Decimal> {
    let found: Found = document(text, "answer").ok()?;
    let mut prices = found
        .extension
        .items()
        .filter(|extension| plain(&extension.url).is_some_and(|url| url.ends_with("/unit-price")));
    let money = prices.find_map(|extension| extension.value_money.value());
    let of_fhir = money.and_then(|money| money.value.fitting());
    of_fhir.or_else(|| decimal(plain(&found.price)?).and_then(fitting))
}
