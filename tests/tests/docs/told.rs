//! What the sources tell of problems: every text with which a message is parked, skipped or put off, and every refusal. Read from
//! the syntax, with samples in the place of what a `format!` fills in.

use std::collections::BTreeMap;

use flow::catalogue::Stage;
use mediator_tests::running::workspace;
use syn::visit::{self, Visit};
use syn::{Expr, ExprLit, Lit};

use super::source::rust_files;

/// A text for people.
#[derive(Debug)]
pub enum Told {
    /// Of a message, and what it leads to where that is seen.
    Reason(Option<Stage>, String),
    /// Status, issue code, text.
    Refusal(u16, String, String),
    /// Any other text: it may become a part of a reason in a way that is not seen here.
    Text(String),
}

/// All of them, with the file where they stand.
pub fn told() -> Vec<(String, Told)> {
    let mut all = Vec::new();
    for place in
        ["crates/flow/src", "host/src/server", "host/src/admin_api", "crates/store/src", "host/src/playground.rs"]
    {
        for file in rust_files(&workspace().join(place)) {
            let text = std::fs::read_to_string(&file).expect("a source file");
            let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let name = file.strip_prefix(workspace()).expect("in the workspace").display().to_string();
            let mut reader = Reader { found: Vec::new(), texts: BTreeMap::new() };
            reader.visit_file(&parsed);
            all.extend(reader.found.into_iter().map(|told| (name.clone(), told)));
        }
    }
    all
}

struct Reader {
    found: Vec<Told>,
    /// `let text = "…"` and `const TEXT: &str = "…"` that were met.
    texts: BTreeMap<String, String>,
}

impl Reader {
    /// The text that an expression gives; None if it comes from elsewhere.
    fn text(&self, expression: &Expr) -> Option<String> {
        match expression {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            Expr::Reference(inner) => self.text(&inner.expr),
            Expr::Paren(inner) => self.text(&inner.expr),
            Expr::MethodCall(call) => self.text(&call.receiver),
            Expr::Path(path) => self.texts.get(&path.path.get_ident()?.to_string()).cloned(),
            Expr::Macro(call) if call.mac.path.is_ident("format") => {
                let literal = call.mac.tokens.clone().into_iter().next()?;
                let literal: Lit = syn::parse_str(&literal.to_string()).ok()?;
                let Lit::Str(text) = literal else { return None };
                Some(filled(&self.with_constants(&text.value()), "x"))
            }
            _ => None,
        }
    }

    /// `{NAME}` of a constant becomes its text.
    fn with_constants(&self, text: &str) -> String {
        self.texts.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    fn reason(&mut self, stage: Option<Stage>, expression: &Expr) {
        let text = self.text(expression);
        self.found.extend(text.map(|text| Told::Reason(stage, text)));
    }

    fn refusal(&mut self, status: u16, code: String, expression: &Expr) {
        let text = self.text(expression).unwrap_or_default();
        self.found.push(Told::Refusal(status, code, text));
    }
}

/// A `format!`'s text with samples for what is filled in.
fn filled(text: &str, first: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        out.push_str(before);
        out.push_str(match name.split([':', '.']).next().unwrap_or_default() {
            "0" | "" => first,
            "peer" | "PEER" => "CHT",
            "what" => "the claim",
            "error" => "mapping m stopped",
            _ => "x",
        });
        rest = after;
    }
    out.push_str(rest);
    out
}

fn status(expression: &Expr) -> Option<u16> {
    let Expr::Path(path) = expression else { return None };
    let name = path.path.segments.last()?.ident.to_string();
    // The names of RFC 9110, as the crate `http` has them.
    (400..600).find(|number| {
        let known = http::StatusCode::from_u16(*number).expect("a status");
        known.canonical_reason().is_some_and(|reason| reason.to_uppercase().replace([' ', '-'], "_") == name)
    })
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_block(&mut self, block: &'ast syn::Block) {
        // What a name means ends with its block.
        let outside = self.texts.clone();
        visit::visit_block(self, block);
        self.texts = outside;
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.found.push(Told::Text(text.value()));
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let literals =
            call.tokens.clone().into_iter().filter_map(|token| syn::parse_str::<syn::LitStr>(&token.to_string()).ok());
        self.found.extend(literals.map(|text| Told::Text(text.value())));
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if let (syn::Pat::Ident(name), Some(init)) = (&local.pat, &local.init)
            && let Some(text) = self.text(&init.expr)
        {
            self.texts.insert(name.ident.to_string(), text);
        }
        visit::visit_local(self, local);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        if let Some(text) = self.text(&item.expr) {
            self.texts.insert(item.ident.to_string(), text);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.ident != "tests" {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        let (first, stage, after) = match item.ident.to_string().as_str() {
            "PeerError" => ("CHT", None, ""),
            "MapperError" => ("m", None, ": repair or replace the component, then retry"),
            _ => return,
        };
        for variant in &item.variants {
            for attribute in variant.attrs.iter().filter(|attribute| attribute.path().is_ident("error")) {
                let Lit::Str(text) = attribute.parse_args::<Lit>().expect("a text") else { continue };
                let after = if text.value().contains("no free instance") { "" } else { after };
                self.found.push(Told::Reason(stage, filled(&text.value(), first) + after));
                if first == "CHT" {
                    let others = ["openIMIS", "the hospital"];
                    let told = others.map(|peer| Told::Reason(stage, filled(&text.value(), peer)));
                    self.found.extend(told);
                }
            }
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        for attribute in
            item.attrs.iter().filter(|attribute| item.ident == "StoreError" && attribute.path().is_ident("error"))
        {
            let Lit::Str(text) = attribute.parse_args::<Lit>().expect("a text") else { continue };
            self.found.push(Told::Reason(Some(Stage::Waiting), filled(&text.value(), "x")));
        }
    }

    fn visit_expr_struct(&mut self, made: &'ast syn::ExprStruct) {
        let stage = made.path.segments.last().and_then(|segment| match segment.ident.to_string().as_str() {
            "Dead" => Some(Stage::Dead),
            "Skipped" => Some(Stage::Skipped),
            "Waiting" | "Retry" => Some(Stage::Waiting),
            _ => None,
        });
        if let (Some(stage), Some(field)) = (
            stage,
            made.fields.iter().find(|field| matches!(&field.member, syn::Member::Named(name) if name == "reason")),
        ) {
            self.reason(Some(stage), &field.expr);
        }
        visit::visit_expr_struct(self, made);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "leave_alone"
            && let Some(text) = call.args.last().and_then(|reason| self.text(reason))
        {
            self.found.push(Told::Reason(Some(Stage::Waiting), format!("CHT is left alone: {text}")));
        }
        // `.ok_or("its document …")` and the like in the store.
        if matches!(call.method.to_string().as_str(), "ok_or" | "map_err")
            && let Some(text) = call.args.first().and_then(|text| match text {
                Expr::Closure(closure) => self.text(&closure.body),
                other => self.text(other),
            })
            && text.starts_with("its document")
        {
            self.found.push(Told::Reason(Some(Stage::Dead), text));
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        let Expr::Path(path) = &*call.func else { return visit::visit_expr_call(self, call) };
        let names: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let arguments: Vec<&Expr> = call.args.iter().collect();
        match (names.as_slice(), arguments.as_slice()) {
            (["Outcome", "dead"], [reason]) => self.reason(Some(Stage::Dead), reason),
            (["unmappable"], [what, _]) => {
                let what = self.text(what).map(|what| format!("{what} cannot be mapped: x"));
                self.found.extend(what.map(|text| Told::Reason(Some(Stage::Dead), text)));
            }
            (["skip"], [reason]) => self.reason(Some(Stage::Skipped), reason),
            (["retry", "again"] | ["again"], [reason, ..]) => self.reason(Some(Stage::Waiting), reason),
            (["Err"], [reason]) if self.text(reason).is_some_and(|text| text.starts_with("its document")) => {
                self.reason(Some(Stage::Dead), reason);
            }
            ([.., "refusal"] | ["Refusal", "new"], [status_of, code, text]) => {
                if let (Some(status), Some(code)) = (status(status_of), self.text(code)) {
                    self.refusal(status, code, text);
                }
            }
            (["Refusal", "invalid"], [text]) => self.refusal(400, "value".to_owned(), text),
            (["throttled"], [_, text]) => self.refusal(429, "throttled".to_owned(), text),
            _ => {}
        }
        visit::visit_expr_call(self, call);
    }
}
