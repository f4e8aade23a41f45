//! The numbers of the documents are those of the code.

use super::document;
use rollcall_core::settings::LIMITS;
use rollcall_host::Limits;
use std::time::Duration;

#[test]
fn the_limits_of_a_request_are_those_that_the_core_enforces() {
    let limits = LIMITS;
    let rows = [
        (
            "body",
            vec![
                mebibytes(limits.body_bytes_max) + ",",
                grouped(limits.body_values_max) + " values",
                grouped(limits.body_depth_max) + " levels",
                grouped(limits.body_names_max) + " names",
            ],
        ),
        ("one user or group as stored, without members", vec![kibibytes(limits.resource_bytes_max)]),
        (
            "one text; `userName`",
            vec![kibibytes(limits.value_bytes_max) + ";", grouped(limits.user_name_bytes_max) + " bytes"],
        ),
        (
            "elements of a multi-valued attribute; members in one request",
            vec![grouped(limits.values_max) + ";", grouped(limits.references_max)],
        ),
        ("filter; PATCH path", vec![kibibytes(limits.filter_bytes_max) + ";", kibibytes(limits.path_bytes_max)]),
        (
            "operations of a PATCH; of a bulk request",
            vec![grouped(limits.patch_operations_max) + ";", grouped(limits.bulk_operations_max)],
        ),
        (
            "resources read by a filter without an index; comparisons of one request",
            vec![grouped(limits.scan_max as usize) + ";", grouped(limits.request_effort_max)],
        ),
        (
            "page",
            vec![
                grouped(limits.page_max) + " resources",
                mebibytes(limits.page_bytes_max) + ";",
                grouped(limits.page_default) + " resources if",
            ],
        ),
    ];
    expect_rows("docs/scim.md", "Limits of a request", &rows);
}

#[test]
fn the_grants_of_the_host_are_those_that_it_makes() {
    let Limits { reuse, patience, machine } = Limits::default();
    let seconds = |duration: Duration| format!("{} s", duration.as_secs());
    let rows = [
        ("time of the component", vec![seconds(reuse.request)]),
        ("the head of a request", vec![seconds(patience.head)]),
        ("a connection between two requests", vec![seconds(patience.idle)]),
        (
            "the body of an ordinary request",
            vec![format!("{} in each {}", kibibytes(patience.body.bytes), seconds(patience.body.within))],
        ),
        (
            "a longer body",
            vec![format!("{} in each {}", kibibytes(patience.upload.bytes), seconds(patience.upload.within))],
        ),
        ("a client that reads nothing", vec![seconds(patience.answer)]),
        ("connections", vec![grouped(machine.connections)]),
        ("connections of one client address", vec![grouped(machine.connections_per_address)]),
        ("memory of all instances", vec![format!("{} MiB", machine.instance_bytes >> 20)]),
    ];
    expect_rows("docs/operations.md", "What the host grants", &rows);
}

/// Each row of a table that begins so has these texts in its second cell.
fn expect_rows(path: &str, heading: &str, rows: &[(&str, Vec<String>)]) {
    let table = document(path).table(heading);
    for (name, values) in rows {
        let row =
            table.iter().find(|row| row[0] == *name).or_else(|| table.iter().find(|row| row[0].starts_with(name)));
        let row = row.unwrap_or_else(|| panic!("{path}: there is no row {name:?}"));
        for value in values {
            assert!(row[1].contains(value), "{path}: {name}: expected {value:?}, found {:?}", row[1]);
        }
    }
}

fn kibibytes(bytes: usize) -> String {
    format!("{} KiB", bytes >> 10)
}

fn mebibytes(bytes: usize) -> String {
    format!("{} MiB", bytes >> 20)
}

/// A number with a comma before each three digits.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
