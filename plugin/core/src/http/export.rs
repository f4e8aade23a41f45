//! Files that are read from the store while the client takes them: the journal, and a whole tenant.

use super::{Body, Rollcall};
use crate::backup::export::Export;
use crate::http::json_text;
use crate::journal::{self, Record, RecordFilter};
use crate::keys::TenantId;
use http::header::{HeaderMap, HeaderName, HeaderValue, TE, TRAILER};
use http::{Request, Response};

/// The trailer that says how long a file is which came to its end, so that whoever keeps the file can tell that none of it
/// is missing: `bytes=` and a number.
const COMPLETE: HeaderName = HeaderName::from_static("rollcall-complete");

/// Records that are read for one piece of the file.
const RECORDS_A_CHUNK: usize = 50;

/// How the file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// RFC 4180, with a heading line.
    Csv,
    /// A JSON document a line.
    Ndjson,
}

impl Format {
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8",
            Format::Ndjson => "application/x-ndjson; charset=utf-8",
        }
    }

    pub(super) fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
        }
    }
}

/// A file on its way: where the reading stands. Whoever drops one before its end calls [`Rollcall::end_stream`].
#[derive(Debug)]
pub struct Stream {
    file: File,
    /// What was handed out so far.
    bytes: usize,
}

#[derive(Debug)]
enum File {
    Journal(Journal),
    Tenant(Box<Export>),
}

#[derive(Debug)]
struct Journal {
    tenant: TenantId,
    format: Format,
    filter: RecordFilter,
    place: ExportPosition,
}

#[derive(Debug)]
enum ExportPosition {
    Start,
    Before(u64),
    End,
    /// The store failed.
    Cut,
}

impl Stream {
    pub(super) fn of_journal(tenant: TenantId, format: Format, filter: RecordFilter) -> Stream {
        Stream::of(File::Journal(Journal { tenant, format, filter, place: ExportPosition::Start }))
    }

    pub(super) fn of_tenant(export: Export) -> Stream {
        Stream::of(File::Tenant(Box::new(export)))
    }

    fn of(file: File) -> Stream {
        Stream { file, bytes: 0 }
    }

    /// Whether all of it was read. Where [`Rollcall::next_chunk`] has nothing more of one that is not, whoever listens
    /// breaks the connection, because the client would take the end of the body for the end of the file.
    pub fn is_whole(&self) -> bool {
        match &self.file {
            File::Journal(journal) => matches!(journal.place, ExportPosition::End),
            File::Tenant(export) => export.is_whole(),
        }
    }

    /// What follows the body of a file that is whole, for a caller to whom it was announced.
    pub fn trailers(&self) -> Option<HeaderMap> {
        let length = HeaderValue::try_from(format!("bytes={}", self.bytes)).expect("digits are printable");
        self.is_whole().then(|| HeaderMap::from_iter([(COMPLETE, length)]))
    }
}

/// RFC 9110 §6.5.1: trailers are for callers that say that they take them. To these the trailer of a file is announced.
pub(super) fn announce(request: &Request<Vec<u8>>, mut response: Response<Body>) -> Response<Body> {
    let takes = |value: &HeaderValue| {
        value.to_str().is_ok_and(|value| value.split(',').any(|one| one.trim().eq_ignore_ascii_case("trailers")))
    };
    let is_stream = matches!(response.body(), Body::Stream(_));
    if is_stream && request.headers().get_all(TE).iter().any(takes) {
        response.headers_mut().insert(TRAILER, HeaderValue::from_name(COMPLETE));
    }
    response
}

impl Rollcall {
    /// The next piece of a streamed body; nothing at its end. A store that fails midway ends the file with a line that
    /// says so, because the status has long been sent.
    pub fn next_chunk(&self, stream: &mut Stream) -> Option<Vec<u8>> {
        let chunk = match &mut stream.file {
            File::Journal(journal) => self.next_records(journal),
            File::Tenant(export) => export.next(self.ledger()),
        };
        stream.bytes += chunk.as_ref().map_or(0, Vec::len);
        chunk
    }

    /// Gives a body up that nobody takes any more.
    pub fn end_stream(&self, stream: &mut Stream) {
        match &mut stream.file {
            File::Journal(_) => {}
            File::Tenant(export) => export.end(self.ledger()),
        }
    }

    fn next_records(&self, stream: &mut Journal) -> Option<Vec<u8>> {
        let mut text = String::new();
        let before = match stream.place {
            ExportPosition::Start => {
                if stream.format == Format::Csv {
                    text.push_str(CSV_HEADING);
                }
                None
            }
            ExportPosition::Before(number) => Some(number),
            ExportPosition::End | ExportPosition::Cut => return None,
        };
        match journal::page(&self.view(&stream.tenant), before, RECORDS_A_CHUNK, &stream.filter) {
            Ok(page) => {
                for record in &page.records {
                    text.push_str(&line(stream.format, record));
                }
                stream.place = page.next.map_or(ExportPosition::End, ExportPosition::Before);
            }
            Err(error) => {
                self.ports.log.line(&format!("export: {error:?}"));
                text.push_str("# the store did not answer; this file is not complete\r\n");
                stream.place = ExportPosition::Cut;
            }
        }
        Some(text.into_bytes())
    }
}

const CSV_HEADING: &str = "number,time,outcome,kind,action,operation,status,scimType,detail,changed,userId,userName,token,durationUs,\
     method,path,query,requestId,repeats,groupId,groupName,looksLike\r\n";

fn line(format: Format, record: &Record) -> String {
    match format {
        Format::Ndjson => json_text(&record.shown()) + "\n",
        Format::Csv => csv_line(record),
    }
}

fn csv_line(record: &Record) -> String {
    let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let words = |value: &dyn Fn() -> serde_json::Result<serde_json::Value>| word(value().unwrap_or_default());
    let (user, group) = (record.user.as_ref(), record.group.as_ref());
    let fields = [
        record.number.to_string(),
        record.time.to_string(),
        words(&|| serde_json::to_value(record.outcome)),
        words(&|| serde_json::to_value(record.kind)),
        words(&|| serde_json::to_value(record.action)),
        record.operation.clone(),
        record.status.to_string(),
        record.scim_type.clone().unwrap_or_default(),
        record.detail.clone().unwrap_or_default(),
        record.changed.to_string(),
        user.map(|user| user.id.clone()).unwrap_or_default(),
        user.map(|user| user.user_name.clone()).unwrap_or_default(),
        record.token.clone().unwrap_or_default(),
        record.duration_us.to_string(),
        record.method.as_str().to_owned(),
        record.path.clone(),
        record.query.clone().unwrap_or_default(),
        record.request_id.clone(),
        record.repeats.to_string(),
        group.map(|group| group.id.clone()).unwrap_or_default(),
        group.map(|group| group.display_name.clone()).unwrap_or_default(),
        record.looks_like.clone().unwrap_or_default(),
    ];
    let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
    fields.join(",") + "\r\n"
}

/// RFC 4180 quoting. A field that a spreadsheet would take for a formula gets an apostrophe: the text is the provider's.
fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let field = if formula { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\r', '\n']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_field_that_would_be_a_formula_stays_text() {
        assert_eq!(quoted("=1+1"), "'=1+1");
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a \"b\", c"), "\"a \"\"b\"\", c\"");
    }
}
