//! Every transcript, answered by the core itself, on a store with a guard as the host has it. `UPDATE=1` writes down what
//! it answers now; read every line of that.

use acceptance::native::Native;
use acceptance::store::Backend;
use acceptance::world::World;
use acceptance::{run, transcript};

#[test]
fn the_core_answers_every_transcript_byte_for_byte() {
    let all = transcript::all();
    let given = run::given(&all);
    let update = std::env::var_os("UPDATE").is_some();
    let mut problems = Vec::new();
    for (name, transcript) in &all {
        let file = transcript::folder().join(format!("{name}.http"));
        let mut server = Native::within(&World::on(Backend::GUARDED_SQLITE, &run::variables(transcript)));
        if update {
            let renewed = run::renew(&mut server, &given, transcript);
            std::fs::write(file, renewed.to_string()).unwrap();
        } else {
            let written = std::fs::read_to_string(file).unwrap();
            assert!(written == transcript.to_string(), "{name}: the file is not laid out as UPDATE=1 would do it");
            problems.extend(run::check(&mut server, &given, transcript).iter().map(|p| format!("{name}\n{p}")));
        }
    }
    assert!(all.len() > 80, "there are {} transcripts", all.len());
    assert!(problems.is_empty(), "{} answers differ\n\n{}", problems.len(), problems.join("\n\n"));
}
