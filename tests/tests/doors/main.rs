//! One suite of HTTP tests, several servers: the native host, the edge component in the tests' own runtime, and the same under `spin up`
//! where Spin is installed.
//!
//! # Layout
//! - `server`: a server with its stand-ins and its store. `answers`, `encodings`, `headers`, `openhim`: what the doors answer. `ways`: what becomes of what came in.
//! - `edge`: what only the edge has; `swapped`: other mappings for it. `host`: what only the host has. `fixtures`: the mapping fixtures through the edge's mappings.

mod answers;
mod edge;
mod encodings;
mod fixtures;
mod headers;
mod host;
mod openhim;
mod server;
mod swapped;
mod ways;

/// Every test of the suite, once for each server.
macro_rules! suite {
    ($($module:ident: $($test:ident),+;)+) => {
        mod on_the_host { $($(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() { crate::$module::$test(crate::server::On::Host).await }
        )+)+ }
        mod on_the_edge { $($(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() { crate::$module::$test(crate::server::On::Edge).await }
        )+)+ }
        mod under_spin { $($(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                if crate::server::spin().is_some() { crate::$module::$test(crate::server::On::Spin).await }
            }
        )+)+ }
    };
}

suite! {
    answers:
        what_is_stored_is_answered_202_with_its_number,
        what_comes_twice_is_answered_202_and_has_one_effect,
        what_is_not_json_is_refused_with_400_and_not_stored,
        only_json_content_types_are_taken,
        a_body_over_one_mebibyte_is_refused_with_413,
        without_the_right_credentials_nothing_is_stored,
        credentials_are_asked_for_before_anything_is_said_of_the_body,
        a_claim_that_cannot_be_mapped_is_answered_422_with_every_issue_and_kept,
        a_dead_letter_comes_to_life_when_the_claim_comes_in_order,
        other_json_is_kept_as_a_dead_letter_too,
        a_feedback_that_cannot_be_mapped_is_answered_202_and_kept,
        another_document_with_the_same_key_is_no_duplicate,
        other_routes_and_methods_are_refused_in_json,
        the_health_routes_ask_for_no_credentials,
        while_another_process_holds_the_store_nothing_is_acknowledged;
    encodings:
        a_byte_order_mark_makes_no_other_message,
        what_is_no_json_is_told_as_what_it_is,
        a_charset_other_than_utf8_is_refused,
        a_content_coding_that_is_not_read_is_refused_and_the_answer_says_which_is;
    headers:
        a_page_of_another_site_is_refused,
        every_answer_carries_the_same_headers;
    openhim:
        what_comes_through_openhim_is_answered_in_its_form;
    ways:
        a_claim_becomes_a_task_and_the_feedback_returns_to_the_claim,
        the_person_in_cht_is_the_insuree_and_nothing_is_invented,
        what_a_peer_that_is_away_cannot_take_is_delivered_later,
        messages_of_one_claim_arrive_in_their_order,
        a_record_whose_answer_was_lost_is_not_sent_twice,
        a_server_that_is_killed_in_the_middle_loses_and_doubles_nothing,
        a_peer_that_refuses_our_credentials_is_left_alone;
}

/// Every test of the edge alone, in both of its runtimes.
macro_rules! on_edges {
    ($($module:ident: $($test:ident),+;)+) => {
        mod edge_alone { $($(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() { crate::$module::$test(crate::server::On::Edge).await }
        )+)+ }
        mod spin_alone { $($(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                if crate::server::spin().is_some() { crate::$module::$test(crate::server::On::Spin).await }
            }
        )+)+ }
    };
}

on_edges! {
    edge:
        a_request_is_answered_within_its_budget_and_the_drain_delivers,
        the_next_request_delivers_what_waits,
        the_drain_counts_and_asks_for_credentials,
        every_problem_of_the_configuration_is_told_at_once,
        hosts_that_the_manifest_does_not_name_are_out_of_reach,
        a_mapping_is_swapped_by_its_path,
        a_message_that_ends_its_request_three_times_is_a_dead_letter,
        feedback_does_not_wait_for_a_cht_that_hangs,
        whether_it_is_ready_is_written_four_times_a_second_at_most,
        nothing_is_acknowledged_where_nothing_can_be_kept,
        documents_of_long_ago_are_forgotten_and_their_messages_are_not;
    fixtures:
        every_fixture_maps_as_written_through_the_edge;
}
