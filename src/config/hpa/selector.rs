//! Label selectors of autoscalers, by Kubernetes' rules for labels.

use crate::config::source::quoted;
use crate::config::{Diagnostics, Node, Value};
use crate::core::selector::{self, Operator, Selector};

/// Checks a selector. Returns whether it selects anything but all.
pub(super) fn check(diags: &mut Diagnostics, node: &Node) -> bool {
    let labels = match node.field("matchLabels").map(|labels| &labels.value) {
        Some(Value::Mapping(labels)) => labels.as_slice(),
        _ => &[],
    };
    for (key, value) in labels {
        if is_label(&key.text, "") {
            check_value(diags, &key.text, value);
        } else {
            diags.error_at(&key.span, format!("a label cannot be called {}", quoted(&key.text)));
        }
    }
    let expressions = match node.field("matchExpressions").map(|expressions| &expressions.value) {
        Some(Value::Sequence(expressions)) => expressions.as_slice(),
        _ => &[],
    };
    for expression in expressions {
        check_expression(diags, expression);
    }
    !(labels.is_empty() && expressions.is_empty())
}

fn check_value(diags: &mut Diagnostics, key: &str, node: &Node) {
    let Value::Scalar { text, plain } = &node.value else {
        if node.value != Value::Invalid {
            diags.error_at(&node.span, "a label's value must be a string");
        }
        return;
    };
    if *plain && reads_as_no_string(text) {
        diags.error_at(&node.span, "Kubernetes reads this as no string").hint(format!("write \"{text}\""));
    } else if !is_label(key, text) {
        let hint = match selector::encode(text) {
            Ok(written) => format!("write `{written}`"),
            Err(_) => "it has at most 63 letters, digits, `-`, `_` or `.`, and is too long to be encoded; \
                       select by another label, such as `engine`"
                .to_owned(),
        };
        diags.error_at(&node.span, format!("a label's value cannot be {}", quoted(text))).hint(hint);
    }
}

/// Whether a selector of this key and value reads back as just that.
fn is_label(key: &str, value: &str) -> bool {
    Selector::parse(&format!("{key}={value}")).is_ok_and(|selector| {
        matches!(selector.requirements(), [one]
            if one.key() == key && one.operator() == Operator::Equals && one.values() == [value])
    })
}

fn reads_as_no_string(text: &str) -> bool {
    matches!(text, "true" | "false" | "null" | "~" | "yes" | "no" | "on" | "off")
        || text.parse::<f64>().is_ok()
}

fn check_expression(diags: &mut Diagnostics, node: &Node) {
    if let Some(key) = node.field("key")
        && let Some(text) = key.text()
        && !is_label(text, "")
    {
        diags.error_at(&key.span, format!("a label cannot be called {}", quoted(text)));
    }
    let values = match node.field("values").map(|values| &values.value) {
        Some(Value::Sequence(values)) => values.as_slice(),
        _ => &[],
    };
    let Some(operator) = node.field("operator") else { return };
    let problem = match (operator.text(), values.is_empty()) {
        (Some("In" | "NotIn"), true) => "this operator needs `values`",
        (Some("Exists" | "DoesNotExist"), false) => "this operator takes no `values`",
        (Some("In" | "NotIn" | "Exists" | "DoesNotExist"), _) => "",
        _ => "expected one of In, NotIn, Exists, DoesNotExist",
    };
    if !problem.is_empty() {
        diags.error_at(&operator.span, problem);
    }
    for value in values {
        check_value(diags, "key", value);
    }
}
