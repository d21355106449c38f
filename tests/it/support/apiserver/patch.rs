//! Patches: merge patches (RFC 7386) and JSON patches (RFC 6902).

use serde_json::{Map, Value as Json};

/// Merges `patch` into `target`; null removes.
pub(super) fn merge(target: &mut Json, patch: &Json) {
    let Json::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Json::Object(Map::new());
    }
    let target = target.as_object_mut().expect("it was made one");
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Json::Null), value);
        }
    }
}

/// Applies `add`, `remove`, `replace` and `test`; all or nothing.
pub(super) fn apply(target: &mut Json, operations: &Json) -> Result<(), String> {
    let mut patched = target.clone();
    for operation in operations.as_array().ok_or("a JSON patch is a list")? {
        one(&mut patched, operation)?;
    }
    *target = patched;
    Ok(())
}

fn one(target: &mut Json, operation: &Json) -> Result<(), String> {
    let path = operation["path"].as_str().ok_or("an operation has a path")?;
    let value = operation["value"].clone();
    let op = operation["op"].as_str().unwrap_or_default();
    if op == "test" {
        let found = target.pointer(path).cloned().unwrap_or(Json::Null);
        return if found == value {
            Ok(())
        } else {
            Err(format!("testing value {path} failed: test failed"))
        };
    }
    let missing = || format!("{op} operation does not apply: doc is missing path: {path}");
    let (parent, last) = path.rsplit_once('/').ok_or("a path begins with a slash")?;
    let last = last.replace("~1", "/").replace("~0", "~");
    match target.pointer_mut(parent).ok_or_else(missing)? {
        Json::Object(map) => match op {
            "add" => drop(map.insert(last, value)),
            "replace" => *map.get_mut(&last).ok_or_else(missing)? = value,
            "remove" => drop(map.remove(&last).ok_or_else(missing)?),
            _ => return Err(format!("unknown operation {op}")),
        },
        Json::Array(items) => {
            let index = if last == "-" { items.len() } else { last.parse().map_err(|_| missing())? };
            match op {
                "add" if index <= items.len() => items.insert(index, value),
                "replace" if index < items.len() => items[index] = value,
                "remove" if index < items.len() => drop(items.remove(index)),
                _ => return Err(missing()),
            }
        }
        _ => return Err(missing()),
    }
    Ok(())
}
