//! What a subscriber sees, through a real Pushpin.

use libtest_mimic::Trial;

use crate::support::{
    stack::{SOON, Stack},
    trials::trials,
};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        [Pushpin, DynamoDb] => a_message_is_seen_provisionally_and_then_persisted,
    ]
}

async fn a_message_is_seen_provisionally_and_then_persisted() -> anyhow::Result<()> {
    let stack = Stack::start().await?;
    let room = stack.room("lobby");
    let mut stream = room.stream(None).await?;
    let open = stream.next(SOON).await.expect("a stream opens with an event");
    assert_eq!((open.event.as_str(), open.json()?["lastEventId"].as_str()), ("stream-open", Some("0")));

    let posted = room.post("hello").await?;
    let provisional = stream.next(SOON).await.expect("the provisional message").json()?;
    assert_eq!(provisional["id"], serde_json::Value::Null);
    for field in ["provisionalId", "from", "text", "date"] {
        assert_eq!(provisional[field], posted[field], "{field}");
    }
    let persisted = stream.next(SOON).await.expect("the persisted message");
    assert_eq!(persisted.json()?, posted);
    assert_eq!(persisted.id.as_deref(), posted["id"].as_str());
    Ok(())
}
