//! Whether a contact is an insuree: exactly, almost, or not.

use jiff::civil::Date;

use super::text;
use crate::proposal::{Contact, Person, PossibleMatch};

/// Names that are less alike are not proposed.
const ALIKE: f64 = 0.85;

/// Whether the contact carries the insuree's uuid.
pub fn is_same_insuree(person: &Person, contact: &Contact) -> bool {
    contact.is(person.insuree)
}

/// Whether the contact says of itself that it is somebody else: by another uuid of openIMIS.
pub fn is_another_insuree(person: &Person, contact: &Contact) -> bool {
    contact.insuree().is_some_and(|insuree| insuree != person.insuree)
}

/// Whether both have the insurance number, and the same one.
pub fn has_same_number(person: &Person, contact: &Contact) -> bool {
    is_number_the_same(person, contact) == Some(true)
}

fn has_another_number(person: &Person, contact: &Contact) -> bool {
    is_number_the_same(person, contact) == Some(false)
}

/// None: one of them has no insurance number.
fn is_number_the_same(person: &Person, contact: &Contact) -> Option<bool> {
    let (one, other) = both(person.field("chf_id"), contact.field("chf_id"))?;
    Some(text::number(&one) == text::number(&other))
}

/// Whether phone, name and date of birth are the same to the letter.
pub fn is_same_person(person: &Person, contact: &Contact, prefix: &str) -> bool {
    let to_the_letter = ["phone", "name", "date_of_birth"]
        .iter()
        .all(|name| both(person.field(name), contact.field(name)).is_some_and(|(one, other)| one == other));
    to_the_letter && is_same_person_otherwise_written(person, contact, prefix)
}

/// Whether phone, name and date of birth say the same, in whatever way they are written, and say something: a dash for a name or zeros
/// for a phone are the same for many people. Nor may anything else speak against it.
pub fn is_same_person_otherwise_written(person: &Person, contact: &Contact, prefix: &str) -> bool {
    let sides = Sides::of(person, contact, prefix);
    sides.same_name
        && sides.phone == Agreement::Same
        && sides.birth == Agreement::Same
        && !has_other_sex(person, contact)
        && !is_somebody_else(person, contact)
}

fn has_other_sex(person: &Person, contact: &Contact) -> bool {
    both(person.field("sex"), contact.field("sex")).is_some_and(|(one, other)| !one.eq_ignore_ascii_case(&other))
}

/// What speaks against a contact with the insuree's number: some write one number for a whole family. One difference is a slip or
/// another script, two are another person.
pub fn contradiction(person: &Person, contact: &Contact, prefix: &str) -> Option<String> {
    let sides = Sides::of(person, contact, prefix);
    let against = [
        (sides.likeness.is_some_and(|likeness| likeness < ALIKE), "other name"),
        (sides.birth == Agreement::Other, "other date of birth"),
        (has_other_sex(person, contact), "other sex"),
    ];
    let against: Vec<&str> = against.iter().filter(|(is_against, _)| *is_against).map(|(_, what)| *what).collect();
    (against.len() > 1).then(|| against.join(", "))
}

fn is_somebody_else(person: &Person, contact: &Contact) -> bool {
    is_another_insuree(person, contact) || has_another_number(person, contact)
}

/// The contact as a proposal, if it is almost the insuree: a like name, and the same date of birth or the same phone without another
/// date of birth. A family shares a phone and a name; what tells its members apart is the date.
pub fn almost(person: &Person, contact: &Contact, prefix: &str) -> Option<PossibleMatch> {
    if is_somebody_else(person, contact) {
        return None;
    }
    let sides = Sides::of(person, contact, prefix);
    let likeness = sides.likeness.filter(|likeness| *likeness >= ALIKE)?;
    let fits = matches!(
        (sides.birth, sides.phone),
        (Agreement::Same, _) | (Agreement::Unknown | Agreement::Near, Agreement::Same)
    );
    let weight = |agreement, most: f64| match agreement {
        Agreement::Same => most,
        Agreement::Near => most * 0.6,
        Agreement::Unknown => most * 0.5,
        Agreement::Other => 0.0,
    };
    let other_sex = has_other_sex(person, contact);
    let same_number = has_same_number(person, contact);
    let score = likeness * 0.6 + weight(sides.birth, 0.25) + weight(sides.phone, 0.15)
        - if other_sex { 0.15 } else { 0.0 }
        + if same_number { 0.15 } else { 0.0 };
    let sex = if other_sex { ", other sex" } else { "" };
    let number = if same_number { ", same insurance number" } else { "" };
    let (birth, phone) = (sides.birth.word("date of birth"), sides.phone.word("phone"));
    fits.then(|| contact.possible(false, score, format!("name alike by {likeness:.2}, {birth}, {phone}{number}{sex}")))
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Agreement {
    Same,
    /// A slip of the pen apart.
    Near,
    /// One side does not tell.
    Unknown,
    Other,
}

impl Agreement {
    fn word(self, what: &str) -> String {
        match self {
            Self::Same => format!("same {what}"),
            Self::Near => format!("almost the same {what}"),
            Self::Unknown => format!("{what} not known on both sides"),
            Self::Other => format!("other {what}"),
        }
    }
}

/// How the two compare.
struct Sides {
    /// None: one has no name.
    likeness: Option<f64>,
    /// One name in two spellings, and a name that tells people apart.
    same_name: bool,
    phone: Agreement,
    birth: Agreement,
}

impl Sides {
    fn of(person: &Person, contact: &Contact, prefix: &str) -> Self {
        let names = both(person.field("name"), contact.field("name"));
        let phone = |number: Option<String>| text::phone(&number?, prefix);
        let date = |date: Option<String>| text::date(&date?);
        let phones = both(phone(person.field("phone")), phone(contact.field("phone")));
        let births = both(date(person.field("date_of_birth")), date(contact.field("date_of_birth")));
        let is_same = |(one, other): &(String, String)| text::is_same_name(one, other) && text::is_telling(one);
        Self {
            same_name: names.as_ref().is_some_and(is_same),
            likeness: names.map(|(one, other)| text::likeness(&text::name(&one), &text::name(&other))),
            phone: match phones {
                None => Agreement::Unknown,
                Some((one, other)) if one == other => Agreement::Same,
                Some(_) => Agreement::Other,
            },
            birth: births.map_or(Agreement::Unknown, |(one, other)| agreement(one, other)),
        }
    }
}

/// Dates of birth are mistaken in one part, or day and month are swapped.
fn agreement(one: Date, other: Date) -> Agreement {
    let parts = [one.year() == other.year(), one.month() == other.month(), one.day() == other.day()];
    let swapped = parts[0] && one.month() == other.day() && one.day() == other.month();
    match parts.iter().filter(|same| **same).count() {
        3 => Agreement::Same,
        // Another year with the same day is a namesake's birthday only once in a while, but 1 January is nobody's: it says "not known".
        2 if parts[0] || (one.day(), one.month()) != (1, 1) => Agreement::Near,
        _ if swapped => Agreement::Near,
        _ => Agreement::Other,
    }
}

fn both<T>(one: Option<T>, other: Option<T>) -> Option<(T, T)> {
    Some((one?, other?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mapping::ids::InsureeUuid;
    use serde_json::{Value, json};

    const UUID: &str = "7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73";

    fn person() -> Person {
        let person = json!({"name": "Kalpana Udaharan", "phone": "+9779800000000", "date_of_birth": "1985-04-14",
            "sex": "female", "chf_id": "119000001", "place": "village"});
        Person::read(&person.to_string(), InsureeUuid::parse(UUID).expect("a uuid"))
    }

    fn contact(fields: Value) -> Contact {
        let mut document = json!({"_id": "c", "type": "person", "name": "Kalpana Udaharan", "phone": "+9779800000000",
            "date_of_birth": "1985-04-14"});
        document.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        Contact::read(document, "person", "chf_id").expect("a person")
    }

    #[test]
    fn the_same_person_is_known_however_phone_and_name_are_written() {
        let unseen = json!({"phone": "\u{202a}+9779800000000\u{202c}", "name": "Kalpana\u{200b} Udaharan\n",
            "date_of_birth": "1985-04-14\u{feff}", "chf_id": "119\u{a0}000\u{a0}001"});
        assert!(is_same_person(&person(), &contact(unseen.clone()), "+977"), "to the letter that is seen");
        assert!(has_same_number(&person(), &contact(unseen)));
        let (person, written) = (person(), contact(json!({"phone": "980-0000000", "name": "KALPANA  Udáharan"})));
        assert!(is_same_person(&person, &contact(json!({})), "+977"));
        assert!(
            !is_same_person(&person, &written, "+977") && is_same_person_otherwise_written(&person, &written, "+977")
        );
        for other in [
            json!({"name": "Kalpna Udaharan"}),
            json!({"date_of_birth": null}),
            json!({"date_of_birth": "1985-04-15"}),
            json!({"phone": "+9779800000001"}),
            json!({"chf_id": "119000002"}),
            json!({"openimis_id": "00000000-0000-4000-8000-000000000006"}),
            json!({"sex": "male"}),
            json!({"name": "Udaharan Kalpana"}),
        ] {
            let other = contact(other);
            assert!(!is_same_person(&person, &other, "+977"), "{other:?}");
            assert!(!is_same_person_otherwise_written(&person, &other, "+977"), "{other:?}");
        }
    }

    #[test]
    fn what_is_almost_the_same_is_proposed_and_nothing_else() {
        let person = person();
        for almost_same in [
            json!({"name": "Kalpna Udaharan"}),
            json!({"date_of_birth": null}),
            json!({"date_of_birth": "1958-04-14"}),
            json!({"date_of_birth": "1985-04-15"}),
            json!({"phone": "+9779811111111"}),
            json!({"phone": null, "name": "Udaharan Kalpana"}),
        ] {
            let contact = contact(almost_same);
            let found = almost(&person, &contact, "+977").unwrap_or_else(|| panic!("{contact:?}"));
            assert!((600..1000).contains(&found.score) && !found.exact, "{found:?}");
        }
        for other in [
            json!({"name": "Hari Udaharan", "date_of_birth": "2010-01-02"}), // a child
            json!({"name": "Kalpana Udaharan", "date_of_birth": "1961-11-30"}), // her aunt, called the same
            json!({"date_of_birth": null, "phone": null}),
            json!({"name": "Bishnu Thapa"}),
            json!({"name": null}),
            json!({"chf_id": 119000002}),
            json!({"openimis_id": "00000000-0000-4000-8000-000000000006"}),
        ] {
            let contact = contact(other);
            assert_eq!(almost(&person, &contact, "+977"), None, "{contact:?}");
        }
        let other_sex = almost(&person, &contact(json!({"name": "Kalpna Udaharan", "sex": "male"})), "+977");
        let same_sex = almost(&person, &contact(json!({"name": "Kalpna Udaharan", "sex": "female"})), "+977");
        assert!(other_sex.expect("a proposal").score < same_sex.expect("a proposal").score);
    }

    #[test]
    fn what_many_people_have_in_common_makes_nobody_the_same() {
        let insuree = InsureeUuid::parse(UUID).expect("a uuid");
        for (name, phone) in [
            ("Baby Thapa", "+9779800000000"),
            ("-", "+9779800000000"),
            ("Ram Thapa", "+977000000000"),
            ("Ram Thapa", "+9779999999999"),
        ] {
            let fields = json!({"name": name, "phone": phone, "date_of_birth": "1985-01-01"});
            let (person, contact) = (Person::read(&fields.to_string(), insuree), contact(fields));
            assert!(!is_same_person(&person, &contact, "+977"), "{name} {phone}");
            assert!(almost(&person, &contact, "+977").is_some(), "{name} {phone}: somebody should look");
        }
    }

    #[test]
    fn an_insurance_number_is_the_same_with_blanks_and_a_proposal_says_so() {
        let person = person();
        for written in ["119 000 001", "119000001", " 119\u{a0}000 001"] {
            let written = contact(json!({"chf_id": written, "name": "Kalpna Udaharan"}));
            assert!(has_same_number(&person, &written), "{written:?}");
            let found = almost(&person, &written, "+977").expect("a proposal");
            assert!(found.why.contains("same insurance number"), "{}", found.why);
            let unknown = almost(&person, &contact(json!({"name": "Kalpna Udaharan"})), "+977").expect("a proposal");
            assert!(found.score > unknown.score && !unknown.why.contains("number"), "{}", unknown.why);
        }
        assert!(is_same_person(&person, &contact(json!({"chf_id": "119 000 001"})), "+977"));
        assert!(!has_same_number(&person, &contact(json!({"chf_id": "119 000 002"}))));
    }

    #[test]
    fn two_differences_speak_against_one_number() {
        for (fields, against) in [
            (json!({"name": "कल्पना उदाहरण"}), None),
            (json!({"date_of_birth": "1961-11-30"}), None),
            (json!({"name": "K.", "date_of_birth": null, "phone": null}), None),
            (json!({"name": "Hari Udaharan", "sex": "male"}), Some("other name, other sex")),
            (json!({"name": "Hari Udaharan", "date_of_birth": "2010-01-02"}), Some("other name, other date of birth")),
        ] {
            assert_eq!(contradiction(&person(), &contact(fields), "+977").as_deref(), against);
        }
    }

    #[test]
    fn why_something_is_proposed_holds_no_personal_data() {
        let found = almost(&person(), &contact(json!({"name": "Kalpna Udaharan"})), "+977").expect("a proposal");
        for secret in ["Kalp", "1985", "9779800", "119000001", UUID] {
            assert!(!found.why.contains(secret), "{}", found.why);
        }
        assert_eq!(found.contact["date_of_birth"], "1985-04-14");
    }

    #[test]
    fn a_first_of_january_is_no_birthday() {
        let date = |text: &str| text.parse::<Date>().expect("a date");
        assert_eq!(agreement(date("1985-01-01"), date("1990-01-01")), Agreement::Other);
        assert_eq!(agreement(date("1985-04-14"), date("1986-04-14")), Agreement::Near);
        assert_eq!(agreement(date("1985-03-04"), date("1985-04-03")), Agreement::Near);
        assert_eq!(agreement(date("1985-03-04"), date("1991-08-21")), Agreement::Other);
    }

    #[test]
    fn other_types_are_no_persons() {
        let document = json!({"_id": "c", "type": "contact", "contact_type": "patient", "name": "x"});
        assert!(Contact::read(document.clone(), "person", "chf_id").is_none());
        assert!(Contact::read(document, "patient", "chf_id").is_some());
        assert!(Contact::read(json!({"_id": "c", "type": "clinic"}), "person", "chf_id").is_none());
    }
}
