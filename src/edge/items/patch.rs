//! JSON Patches (RFC 6902) of held responses, within bounds.
//!
//! A few copies of copies make any amount of memory of any body, or a depth at which nothing that reads, writes or drops
//! it one level at a time comes back: so what a patch may bring is what it could bring without copying.

use bytes::Bytes;
use json_patch::{Patch, PatchOperation, jsonptr::Pointer, patch_unsafe};
use serde_json::Value;

/// What a patch may add, copy and move, in characters and values: no request to the control port is longer.
const MOST: usize = 1_000_000;
/// How deep a body may be: as deep as one that is read (`serde_json` reads no deeper ones).
const DEEPEST: usize = 127;
/// So many elements of a list are moved up or down at the price of one value.
const SHIFTED_AT_ONCE: usize = 16;

/// A body with these changes; as it was, where it is no JSON or cannot be changed so.
pub(in crate::edge) fn apply(patch: &Patch, body: Bytes) -> Bytes {
    let patched = serde_json::from_slice(&body).ok().and_then(|mut value: Value| {
        let mut left = MOST;
        for operation in &patch.0 {
            left = left.checked_sub(cost(&value, operation)?)?;
            // What came of the operations before one that fails is dropped, so nothing has to be undone.
            patch_unsafe(&mut value, std::slice::from_ref(operation)).ok()?;
        }
        Some(value.to_string().into())
    });
    patched.unwrap_or(body)
}

/// What an operation costs; none where it would make the body too deep, or cannot be done.
fn cost(body: &Value, operation: &PatchOperation) -> Option<usize> {
    let at = |path: &Pointer| body.pointer(path.as_str());
    let shift = |path: &Pointer| {
        let list = path.split_back().and_then(|(parent, _)| at(parent)).and_then(Value::as_array);
        list.map_or(0, Vec::len) / SHIFTED_AT_ONCE
    };
    Some(match operation {
        PatchOperation::Add(add) => weigh(&add.value, &add.path)? + shift(&add.path),
        PatchOperation::Replace(replace) => weigh(&replace.value, &replace.path)?,
        PatchOperation::Copy(copy) => weigh(at(&copy.from)?, &copy.path)? + shift(&copy.path),
        PatchOperation::Move(moved) => weigh(at(&moved.from)?, &moved.path)? + shift(&moved.from) + shift(&moved.path),
        PatchOperation::Remove(remove) => shift(&remove.path),
        PatchOperation::Test(_) => 0,
    })
}

/// How much a value is, if it is not too deep for the place it is to have.
fn weigh(value: &Value, place: &Pointer) -> Option<usize> {
    weight(value, DEEPEST.checked_sub(place.count())?)
}

fn weight(value: &Value, depth: usize) -> Option<usize> {
    let inside = |value: &Value| weight(value, depth.checked_sub(1)?);
    let inside: usize = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(inside).sum::<Option<usize>>()?,
        Value::Object(object) => {
            object.iter().map(|(name, value)| Some(name.len() + inside(value)?)).sum::<Option<usize>>()?
        }
    };
    Some(inside + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(body: &Value, operations: &Value) -> Value {
        let patch = serde_json::from_value(operations.clone()).unwrap();
        serde_json::from_slice(&apply(&patch, body.to_string().into())).unwrap()
    }

    fn copies(from: &str, path: &str, times: usize) -> Value {
        vec![json!({"op": "copy", "from": from, "path": path}); times].into()
    }

    #[test]
    fn all_operations_change_a_body() {
        let operations = json!([
            {"op": "add", "path": "/list/-", "value": 3},
            {"op": "copy", "from": "/list", "path": "/copy"},
            {"op": "move", "from": "/list/0", "path": "/moved"},
            {"op": "test", "path": "/moved", "value": 1},
            {"op": "replace", "path": "/moved", "value": {"deep": []}},
            {"op": "remove", "path": "/copy/0"},
        ]);
        let expected = json!({"list": [2, 3], "copy": [2, 3], "moved": {"deep": []}});
        assert_eq!(patched(&json!({"list": [1, 2]}), &operations), expected);
    }

    #[test]
    fn a_patch_that_fails_in_the_middle_changes_nothing() {
        let body = json!({"a": 1});
        let operations = json!([{"op": "remove", "path": "/a"}, {"op": "remove", "path": "/a"}]);
        assert_eq!(patched(&body, &operations), body);
        assert_eq!(apply(&Patch(Vec::new()), "no JSON".into()), "no JSON");
    }

    /// Twenty-four of these once made half a gigabyte of sixty bytes.
    #[test]
    fn copies_of_copies_do_not_make_a_body_of_any_size() {
        let body = json!({"a": ["x".repeat(50)]});
        assert_eq!(patched(&body, &copies("/a", "/a/-", 60)), body);
        assert_ne!(patched(&body, &copies("/a", "/a/-", 10)), body, "a few are no harm");
    }

    /// Sixteen of these once ended the process: it ran out of stack.
    #[test]
    fn copies_of_copies_do_not_make_a_body_of_any_depth() {
        let body = json!({});
        let deeper = |levels: usize| json!({"op": "copy", "from": "", "path": "/a".repeat(1 << levels)});
        let operations: Vec<Value> = (0..20).map(deeper).collect();
        assert_eq!(patched(&body, &operations.into()), body);
        let operations: Vec<Value> = (0..6).map(deeper).collect();
        assert_ne!(patched(&body, &operations.into()), body, "a body may be as deep as one that is read");
    }

    #[test]
    fn a_long_list_is_not_moved_up_and_down_for_ever() {
        let body = json!(vec![0; 200_000]);
        let first = json!({"op": "add", "path": "/0", "value": 1});
        assert_ne!(patched(&body, &json!([first])), body);
        assert_eq!(patched(&body, &vec![first; 1_000].into()), body);
    }
}
