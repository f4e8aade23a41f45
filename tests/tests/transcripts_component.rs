//! Every transcript, answered by the built component in its host, over a socket. The component sees the same times and
//! the same random bytes in the same order as the core does natively, so its answers are the same to the byte.

use acceptance::hosted::{Build, Hosted};
use acceptance::{run, transcript};

#[test]
fn the_component_answers_every_transcript_byte_for_byte() {
    expect_transcripts_of(Build::Final);
}

#[test]
fn the_build_for_wasi_0_2_answers_every_transcript_byte_for_byte() {
    expect_transcripts_of(Build::P2);
}

#[test]
fn the_build_for_spin_4_0_answers_every_transcript_byte_for_byte() {
    expect_transcripts_of(Build::Candidate);
}

fn expect_transcripts_of(build: Build) {
    let all = transcript::all();
    let given = run::given(&all);
    let mut problems = Vec::new();
    for (name, transcript) in &all {
        let mut server = Hosted::of(build, &run::variables(transcript));
        problems.extend(run::check(&mut server, &given, transcript).iter().map(|p| format!("{name}\n{p}")));
    }
    assert!(all.len() > 80, "there are {} transcripts", all.len());
    assert!(problems.is_empty(), "{} answers of {build:?} differ\n\n{}", problems.len(), problems.join("\n\n"));
}
