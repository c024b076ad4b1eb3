//! Why there is no page.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use flow::ports::StoreError;

/// Why there is no page.
#[derive(Clone)]
pub(super) enum Trouble {
    /// No such thing.
    NotFound,
    /// Not from one of our forms.
    Foreign,
    /// It cannot be done (any more); why.
    Conflict(String),
    /// It was asked for in a way that cannot be; why.
    Invalid(String),
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// `session_layer::signed_in` makes a page of it, for it knows the reader.
impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
