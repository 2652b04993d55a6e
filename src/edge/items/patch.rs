//! JSON Patches (RFC 6902) of held responses, with limits on size and depth.
//!
//! A few copies of copies turn a short body into one that fills the memory, or into one so deep that code which reads,
//! writes or drops it recursively overflows the stack. So a patch may add no more than it could without copying.

use bytes::Bytes;
use json_patch::{Patch, PatchOperation, jsonptr::Pointer, patch_unsafe};
use serde_json::Value;

/// How much a patch may add, copy and move, in characters and values: as much as the longest request to the control
/// port.
const MAX_COST: usize = 1_000_000;
/// How deep a patched body may be: as deep as `serde_json` can read it.
const MAX_DEPTH: usize = 127;
/// The number of list elements that can be shifted for the cost of one value.
const SHIFTS_PER_COST: usize = 16;

/// Applies a patch. Returns the body unchanged if it is not JSON, or if the patch fails or exceeds the limits.
pub(crate) fn apply(patch: &Patch, body: Bytes) -> Bytes {
    let patched = serde_json::from_slice(&body).ok().and_then(|mut value: Value| {
        let mut left = MAX_COST;
        for operation in &patch.0 {
            left = left.checked_sub(cost(&value, operation)?)?;
            // If one fails the changed value is dropped, so nothing has to be undone.
            patch_unsafe(&mut value, std::slice::from_ref(operation)).ok()?;
        }
        Some(value.to_string().into())
    });
    patched.unwrap_or(body)
}

/// Returns the cost of an operation, or `None` if it would make the body too deep or cannot be applied.
fn cost(body: &Value, operation: &PatchOperation) -> Option<usize> {
    let at = |path: &Pointer| body.pointer(path.as_str());
    let shift = |path: &Pointer| {
        let list = path.split_back().and_then(|(parent, _)| at(parent)).and_then(Value::as_array);
        list.map_or(0, Vec::len) / SHIFTS_PER_COST
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

/// Returns the cost of a value at this position, or `None` if it would be too deep there.
fn weigh(value: &Value, position: &Pointer) -> Option<usize> {
    weight(value, MAX_DEPTH.checked_sub(position.count())?)
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

    /// Twenty-four such copies once turned sixty bytes into half a gigabyte.
    #[test]
    fn copies_of_copies_are_limited_in_size() {
        let body = json!({"a": ["x".repeat(50)]});
        assert_eq!(patched(&body, &copies("/a", "/a/-", 60)), body);
        assert_ne!(patched(&body, &copies("/a", "/a/-", 10)), body, "a few are allowed");
    }

    /// Sixteen such copies once overflowed the stack and ended the process.
    #[test]
    fn copies_of_copies_are_limited_in_depth() {
        let body = json!({});
        let deeper = |levels: usize| json!({"op": "copy", "from": "", "path": "/a".repeat(1 << levels)});
        let operations: Vec<Value> = (0..20).map(deeper).collect();
        assert_eq!(patched(&body, &operations.into()), body);
        let operations: Vec<Value> = (0..6).map(deeper).collect();
        assert_ne!(patched(&body, &operations.into()), body, "a body may be as deep as one that can be read");
    }

    #[test]
    fn shifting_a_long_list_again_and_again_is_limited() {
        let body = json!(vec![0; 200_000]);
        let first = json!({"op": "add", "path": "/0", "value": 1});
        assert_ne!(patched(&body, &json!([first])), body);
        assert_eq!(patched(&body, &vec![first; 1_000].into()), body);
    }
}
