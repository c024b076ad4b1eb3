//! The playground: as it is served, in a real browser, and every fixture through it.

use mediator_tests::browser::{Browser, program};
use mediator_tests::running::{Mediator, config, sandbox, skipped};
use tempfile::TempDir;

/// The page has loaded the mapping.
const READY: &str = "document.querySelector('#status').textContent.startsWith('Nothing to map yet')";

/// A browser, or none here: that is said aloud.
async fn browser() -> Option<Browser> {
    match program() {
        Some(program) => Some(Browser::start(&program).await),
        None => {
            skipped("tests/tests/playground (the page in a browser)", "Chromium is not here");
            None
        }
    }
}

/// A mediator with stand-ins.
async fn mediator(dir: &TempDir, changes: &[(&str, &str)]) -> Mediator {
    Mediator::start(config(&sandbox().await, dir, changes)).await
}

/// A mediator, and its page in the browser. A macro, because the page borrows the browser and a test without one ends here.
macro_rules! open_page {
    ($browser:ident, $mediator:ident, $page:ident) => {
        let Some($browser) = crate::browser().await else { return };
        let dir = tempfile::tempdir().expect("a folder");
        let $mediator = crate::mediator(&dir, &[]).await;
        let $page = $browser.open(&format!("{}/playground/", $mediator.url)).await;
        $page.until(crate::READY).await;
    };
}

mod fixtures;
mod page;
mod served;
mod trouble;
