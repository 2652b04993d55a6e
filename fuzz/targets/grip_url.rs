//! `GRIP_URL`. For any value, items are posted to a path that ends in `/publish/`, and no output contains a key.
#![no_main]

use gripchat::grip::GripUrl;
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "S3CR3T-M4RK";

fuzz_target!(|input: (&str, &str)| {
    let (before, after) = input;
    output(before);
    // Inserts a key if the text ends within a query, because keys are in queries.
    let in_query =
        before.rsplit_once('?').is_some_and(|(_, query)| !query.contains(|c: char| c == ',' || c.is_whitespace()));
    if in_query {
        let shown = output(&format!("{before}key={SECRET}{after}"));
        let shown = shown + &output(&format!("{before}verify-key=base64:%{SECRET}{after}"));
        assert!(!shown.contains(SECRET), "{shown}");
    }
});

/// Parses the text, and returns everything that a log or an error could contain.
fn output(text: &str) -> String {
    match GripUrl::parse_list(text) {
        Ok(urls) => {
            assert!(!urls.is_empty());
            let _ = GripUrl::trust(&urls).verifies();
            for url in &urls {
                let shown = url.to_string();
                assert!(shown.starts_with("http") && shown.ends_with("/publish/"), "{shown}");
            }
            format!("{urls:?}")
        }
        Err(error) => format!("{error} {error:?}"),
    }
}
