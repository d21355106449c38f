use std::collections::HashMap;

use proptest::prelude::*;

use super::super::Operator;
use super::*;

/// What a selector's value stands for beside itself.
fn meaning(value: &str) -> String {
    decode(value).unwrap_or_else(|| value.to_owned())
}

#[test]
fn names_and_their_encodings() {
    let cases = [
        ("meta-llama/Llama-3-8B", "x_meta-llama_2FLlama-3-8B"),
        ("Qwen/Qwen2.5-7B_Instruct", "x_Qwen_2FQwen2.5-7B__Instruct"),
        ("/models/llama", "x__2Fmodels_2Fllama"),
        ("hf://a:b@c", "x_hf_3A_2F_2Fa_3Ab_40c"),
        ("a b", "x_a_20b"),
        ("-a", "x_-a"),
        (".", "x__2E"),
        ("_a", "x___a"),
        ("a_", "x_a_5F"),
        ("a-", "x_a_2D"),
        ("_", "x__5F"),
        ("a__b_", "x_a____b_5F"),
        ("ü", "x__C3_BC"),
        ("\0", "x__00"),
        // What reads as an encoding would otherwise mean two things.
        ("x_a_2Fb", "x_x__a__2Fb"),
        ("x_x__a__2Fb", "x_x__x____a____2Fb"),
    ];
    for (text, written) in cases {
        assert_eq!(encode(text), Ok(Cow::Borrowed(written)), "{text:?}");
        assert_eq!(decode(written).as_deref(), Some(text), "{written:?}");
    }
}

#[test]
fn what_a_label_holds_stays_as_it_is() {
    for text in
        ["", "a", "llama-3-8b", "a_b.c-d", "x", "x_a", "x_llama_70B", "x_a__b", "x_5", "X_a_2Fb", "xa_2Fb"]
    {
        assert_eq!(encode(text), Ok(Cow::Borrowed(text)));
        assert_eq!(decode(text), None, "{text:?}");
    }
}

#[test]
fn only_the_one_encoding_is_one() {
    let others = [
        // Lower case; a letter, a dash and an underscore that need no byte; bytes that are no UTF-8.
        "x_a_2fb",
        "x__61_2Fb",
        "x_a_2Fb_2Dc",
        "x_a_2Fb_5Fc",
        "x__FF",
        "x__C3",
        // Cut short, or no digits.
        "x_a_2Fb_",
        "x_a_2Fb_2",
        "x_a_2Fb_G0",
        "x_a_2Fb_+1",
        "x_",
        // Plain text in disguise, and what no label's value can be.
        "x_ab",
        "x_a.b",
        "x_a/b",
        "x_a_2Fb-",
    ];
    for value in others {
        assert_eq!(decode(value), None, "{value:?}");
    }
}

#[test]
fn what_is_too_long_says_so() {
    let (room, more) = (format!("a/{}", "b".repeat(57)), format!("a/{}", "b".repeat(58)));
    assert_eq!(encode(&room).map(|written| written.len()), Ok(63));
    assert_eq!(encode(&more), Err(TooLong { length: 64 }));
    assert_eq!(decode(&escaped(&more)), None);
    assert!(encode(&"b".repeat(64)).is_err());
    let message = TooLong { length: 64 }.to_string();
    assert_eq!(message, "encoded it has 64 characters, and a label's value has at most 63");
}

#[test]
fn every_operator_reads_encodings() {
    let matches = |selector: &str, label: Option<&'static str>| {
        Selector::parse(selector).expect(selector).matches(|_| label)
    };
    let (model, written) = ("meta-llama/Llama-3-8B", "x_meta-llama_2FLlama-3-8B");
    let written = |text: &str| text.replace('@', written);
    for (selector, is_listed) in [
        ("model=@", true),
        ("model==@", true),
        ("model in (a,@,b)", true),
        ("model!=@", false),
        ("model notin (@,b)", false),
    ] {
        let selector = written(selector);
        assert_eq!(matches(&selector, Some(model)), is_listed, "{selector}");
        // The label may really have that value, as a pod's may.
        assert_eq!(matches(&selector, Some("x_meta-llama_2FLlama-3-8B")), is_listed, "{selector}");
        for other in [Some("meta-llama_2FLlama-3-8B"), Some("meta-llama/llama-3-8b"), Some(""), None] {
            assert_eq!(matches(&selector, other), !is_listed, "{selector} of {other:?}");
        }
        let parsed = Selector::parse(&selector).unwrap();
        assert!(parsed.may_match(|_| None));
        assert_eq!(parsed.may_match(|_| Some(model)), is_listed);
        assert_eq!(Selector::parse(&parsed.to_string()), Ok(parsed), "it prints as it was written");
    }
    assert!(matches("model in (x_a_2Fb,x_0_2F1)", Some("0/1")), "they need not sort as they are written");
    assert_eq!(Selector::parse("m = x_a_2Fb").unwrap().to_string(), "m=x_a_2Fb");
    assert_eq!(Selector::parse("m=x_a_2Fb").unwrap().requirements()[0].values(), ["x_a_2Fb"]);
}

#[test]
fn a_message_tells_how_to_write_what_was_asked_for() {
    let selector = Selector::parse("model=llama").unwrap();
    assert_eq!(selector.shown("model", "a/b"), "model=a/b (write x_a_2Fb)");
    assert_eq!(selector.shown("model", "ab"), "model=ab");
    assert_eq!(selector.shown("instance", "a:80"), "instance=a:80");
    assert_eq!(selector.shown("model", &"/".repeat(60)), format!("model={}", "/".repeat(60)));
}

/// Every text of at most `most` characters of `alphabet`.
fn all(alphabet: &str, most: usize) -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut from = 0;
    for _ in 0..most {
        let until = texts.len();
        for index in from..until {
            let longer: Vec<_> = alphabet.chars().map(|c| format!("{}{c}", texts[index])).collect();
            texts.extend(longer);
        }
        from = until;
    }
    texts
}

#[test]
fn in_a_small_world_every_text_has_one_value_and_every_value_one_text() {
    let tails = all("x_2F/-", 5);
    // Half of them begin as encodings do, and some as encodings of encodings.
    let prefixed = ["x_", "x_x__", "x_x__x____"]
        .into_iter()
        .flat_map(|prefix| tails.iter().map(move |tail| format!("{prefix}{tail}")));
    let texts = tails.iter().cloned().chain(prefixed);
    let mut known: HashMap<String, String> = HashMap::new();
    for text in texts {
        let value = encode(&text).expect("short").into_owned();
        assert!(is_value(&value), "{text:?} as {value:?}");
        assert_eq!(meaning(&value), text);
        let other = known.insert(value, text.clone());
        assert!(other.is_none_or(|other| other == text), "{text:?} shares its value");
        if is_value(&text) {
            assert_eq!(encode(&meaning(&text)), Ok(Cow::Borrowed(text.as_str())));
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "\\PC{0,20}",
        "[a-zA-Z0-9_./:@ -]{0,40}",
        "(x_){0,3}[a-c0-9A-F_./-]{0,30}",
        "x_([a-c.-]|__|_[0-9A-F]{2}){0,12}",
    ]
}

proptest! {
    #[test]
    fn a_text_comes_back(text in name()) {
        match encode(&text) {
            Ok(value) => {
                prop_assert!(is_value(&value), "{}", value);
                prop_assert_eq!(meaning(&value), text.clone());
                let selector = Selector::parse(&format!("k={value}")).unwrap();
                prop_assert!(selector.matches(|_| Some(&text)));
            }
            Err(error) => prop_assert_eq!(error.length, escaped(&text).len()),
        }
    }

    #[test]
    fn two_texts_are_two_values(one in name(), other in name()) {
        if let (Ok(first), Ok(second)) = (encode(&one), encode(&other)) {
            prop_assert_eq!(first == second, one == other);
        }
    }

    #[test]
    fn a_value_means_itself_and_what_it_encodes(value in name(), label in name()) {
        if let Ok(selector) = Selector::parse(&format!("k={value}"))
            && let [one] = selector.requirements()
            && one.operator() == Operator::Equals
        {
            let value = &one.values()[0];
            let encoded = decode(value);
            prop_assert!(selector.matches(|_| Some(value)));
            prop_assert_eq!(
                selector.matches(|_| Some(&label)),
                label == *value || encoded.as_ref() == Some(&label)
            );
            if let Some(text) = encoded {
                prop_assert_eq!(encode(&text), Ok(Cow::Borrowed(value.as_str())));
                prop_assert!(selector.matches(|_| Some(&text)));
            }
        }
    }
}
