//! `GRIP_URL`: whatever it says, items go to a path that ends in `/publish/`, and no key is ever shown.
#![no_main]

use gripchat::grip::GripUrl;
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "S3CR3T-M4RK";

fuzz_target!(|input: (&str, &str)| {
    let (before, after) = input;
    look_at(before);
    // In a query, where keys are.
    let in_query =
        before.rsplit_once('?').is_some_and(|(_, query)| !query.contains(|c: char| c == ',' || c.is_whitespace()));
    if in_query {
        let shown = look_at(&format!("{before}key={SECRET}{after}"));
        let shown = shown + &look_at(&format!("{before}verify-key=base64:%{SECRET}{after}"));
        assert!(!shown.contains(SECRET), "{shown}");
    }
});

/// What is shown of it.
fn look_at(text: &str) -> String {
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
