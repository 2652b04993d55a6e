//! Files and folders that are refused with one line that says what to do, and left unchanged.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use gripchat::{
    chat::Message,
    store::{Embedded, OpenError},
};
use libtest_mimic::Trial;
use redb::TableDefinition;

use super::{
    all,
    child::{self, Role},
    draft, open, post, room,
};
use crate::support::{process::Tree, trials::trials};

const FILE_NAME: &str = "messages.redb";
const ROOMS: [&str; 2] = ["a", "b"];
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => a_file_of_a_newer_format_is_refused_and_left_unchanged,
        [] => a_file_that_is_not_a_store_is_refused_and_left_unchanged,
        [] => a_flipped_bit_is_noticed_or_makes_no_difference,
        [] => a_file_in_use_by_another_process_is_refused,
        [] => a_file_in_use_by_this_process_is_refused,
        [] => a_path_that_cannot_be_a_folder_is_refused,
    ]
}

/// Creates a store with messages in a folder, and closes it.
async fn store_in(folder: &Path) -> anyhow::Result<PathBuf> {
    let store = open(folder)?;
    for n in 0..40 {
        for name in ROOMS {
            post(&store, &room(name), draft(&format!("{n} {}", "x".repeat(n * 20)))).await?;
        }
    }
    Ok(store.path().to_owned())
}

async fn messages(store: &Embedded) -> anyhow::Result<Vec<Message>> {
    let mut messages = Vec::new();
    for name in ROOMS {
        messages.extend(all(store, &room(name)).await?);
    }
    Ok(messages)
}

/// Asserts that the error is one line that names the file, and that the file is unchanged.
fn assert_refused(path: &Path, refused: &OpenError, before: &[u8]) {
    let text = refused.to_string();
    assert!(text.contains(&path.display().to_string()) && text.contains("--data"), "{text}");
    assert!(!text.contains('\n'), "{text}");
    assert!(fs::read(path).is_ok_and(|after| after == before), "{text}, but the file was changed");
}

async fn a_file_of_a_newer_format_is_refused_and_left_unchanged() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = store_in(folder.path()).await?;
    let database = redb::Database::open(&path)?;
    let write = database.begin_write()?;
    write.open_table(META)?.insert("format", 7)?;
    write.commit()?;
    drop(database);

    let before = fs::read(&path)?;
    let refused = open(folder.path()).err().context("the store opens")?;
    assert!(matches!(refused, OpenError::Newer { format: 7, .. }), "{refused:?}");
    assert!(refused.to_string().contains("newer gripchat (format 7, this one reads up to 1)"), "{refused}");
    assert_refused(&path, &refused, &before);
    Ok(())
}

async fn a_file_that_is_not_a_store_is_refused_and_left_unchanged() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = store_in(folder.path()).await?;
    let whole = fs::read(&path)?;
    let zeros = |range: std::ops::Range<usize>| {
        let mut bytes = whole.clone();
        bytes[range].fill(0);
        bytes
    };
    let foreign = {
        let other = folder.path().join("other");
        let database = redb::Database::create(&other)?;
        let write = database.begin_write()?;
        write.open_table(TableDefinition::<u64, u64>::new("foreign"))?.insert(1, 2)?;
        write.commit()?;
        drop(database);
        fs::read(&other)?
    };
    let kinds = [
        ("empty", Vec::new()),
        ("one byte", vec![b'r']),
        ("a text", b"This is not a store, and it is longer than a header of one is. ".repeat(80)),
        ("random", (0..whole.len()).map(|_| rand::random()).collect()),
        ("zeros", vec![0; whole.len()]),
        ("the first half", whole[..whole.len() / 2].to_vec()),
        ("a few bytes missing", whole[..whole.len() - 100].to_vec()),
        ("the header alone", whole[..320].to_vec()),
        ("no magic number", zeros(0..9)),
        ("no header", zeros(0..320)),
        ("no commit slots", zeros(64..320)),
        ("no pages", zeros(4096..whole.len())),
        ("a database of another program", foreign),
    ];
    for (kind, bytes) in kinds {
        fs::write(&path, &bytes)?;
        let refused = open(folder.path()).err().with_context(|| format!("the store opens: {kind}"))?;
        assert!(matches!(refused, OpenError::Damaged { .. }), "{kind}: {refused:?}");
        assert_refused(&path, &refused, &bytes);
    }
    fs::write(&path, &whole)?;
    assert_eq!(messages(&open(folder.path())?).await?.len(), 80);
    Ok(())
}

/// Most of a file's pages are free. A bit that is flipped there makes no difference; anywhere else it is noticed.
async fn a_flipped_bit_is_noticed_or_makes_no_difference() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = store_in(folder.path()).await?;
    let whole = fs::read(&path)?;
    let posted = messages(&open(folder.path())?).await?;
    let texts: Vec<usize> =
        (0..whole.len() - 20).filter(|at| whole[*at..].starts_with(b"xxxxxxxxxxxxxxxxxxxx")).collect();
    let mut noticed = 0;
    let header = (0..320).step_by(3);
    let anywhere = (0..60).map(|_| rand::random_range(320..whole.len()));
    let in_texts = (0..20).map(|_| texts[rand::random_range(0..texts.len())]);
    for at in header.chain(anywhere).chain(in_texts) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << rand::random_range(0..8);
        fs::write(&path, &bytes)?;
        match open(folder.path()) {
            Ok(store) => ensure!(messages(&store).await? == posted, "a flip at {at} made a difference"),
            Err(refused) => {
                assert!(matches!(refused, OpenError::Damaged { .. }), "a flip at {at}: {refused:?}");
                assert_refused(&path, &refused, &bytes);
                noticed += 1;
            }
        }
    }
    assert!(noticed > 0, "no flip was noticed");
    Ok(())
}

async fn a_file_in_use_by_another_process_is_refused() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = store_in(folder.path()).await?;
    let mut holder = Tree::spawn(&mut child::command(Role::Hold, folder.path())?)?;
    let mut line = String::new();
    BufReader::new(holder.root().stdout.take().context("its output")?).read_line(&mut line)?;
    assert_eq!(line, "open\n");
    let before = fs::read(&path)?;
    let refused = open(folder.path()).err().context("the store opens")?;
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused:?}");
    assert!(refused.to_string().contains("is in use by another process; stop that process or choose another --data"));
    assert_refused(&path, &refused, &before);

    holder.root().kill()?;
    holder.root().wait()?;
    assert_eq!(messages(&open(folder.path())?).await?.len(), 80);
    Ok(())
}

async fn a_file_in_use_by_this_process_is_refused() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = open(folder.path())?;
    assert!(matches!(open(folder.path()).err(), Some(OpenError::InUse { .. })));
    // The first store still works.
    assert_eq!(post(&store, &room("a"), draft("1")).await?.id.seq, 1);
    Ok(())
}

async fn a_path_that_cannot_be_a_folder_is_refused() -> anyhow::Result<()> {
    let parent = tempfile::tempdir()?;
    let file = parent.path().join("file");
    fs::write(&file, "mine")?;
    for folder in [file.clone(), file.join("below")] {
        let refused = open(&folder).err().context("the store opens")?;
        assert!(matches!(refused, OpenError::Folder { .. }), "{refused:?}");
        assert!(refused.to_string().contains(&folder.display().to_string()), "{refused}");
    }
    assert_eq!(fs::read(&file)?, b"mine");

    fs::create_dir(parent.path().join(FILE_NAME))?;
    let refused = open(parent.path()).err().context("the store opens")?;
    assert!(matches!(refused, OpenError::File { .. }), "{refused:?}");
    Ok(())
}
