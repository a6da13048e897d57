//! What pickles hold, and what is refused.

use super::*;

#[track_caller]
fn check_refused(pickle: &[u8], want: &str) {
    let error = load(pickle).map(|loaded| loaded.value).unwrap_err().to_string();
    assert!(error.contains(want), "{error}");
}

#[test]
fn numbers_texts_and_containers_are_read() {
    let loaded = load(b"\x80\x02}q\x00(X\x01\x00\x00\x00aM\xe9\x03X\x01\x00\x00\x00b\x8a\x01\xffu.rest").unwrap();
    let Value::Dict(pairs) = loaded.value else { panic!("{loaded:?}") };
    let pairs: Vec<_> = loaded.pairs(pairs).collect();
    let [a, b] = ["a", "b"].map(|text| Value::Text(text.into()));
    assert_eq!(pairs, [(&a, &Value::Int(1001)), (&b, &Value::Int(-1))]);
    assert_eq!(loaded.len, 26);
    let items = |pickle: &[u8]| {
        let loaded = load(pickle).unwrap();
        let Value::List(list) = loaded.value else { panic!("{loaded:?}") };
        loaded.items(list).to_vec()
    };
    assert_eq!(items(b"\x80\x02]q\x00(K\x01K\x02e."), [1, 2].map(Value::Int));
    // Protocol 4: a frame, notes without a number, a text of one byte's length.
    let framed = b"\x80\x04\x95\x09\0\0\0\0\0\0\0]\x94(K\x01\x8c\x01a\x94e.";
    assert_eq!(items(framed), [Value::Int(1), a]);
    // A list that is filled after it was noted, and recalled: both are the same list.
    let twice = load(b"\x80\x02]q\x00(]q\x01K\x07ah\x01e.").unwrap();
    let Value::List(outer) = twice.value else { panic!("{twice:?}") };
    let [Value::List(a), Value::List(b)] = twice.items(outer) else { panic!("{twice:?}") };
    assert!(a == b && twice.items(*a) == [Value::Int(7)]);
}

#[test]
fn code_is_refused_by_its_name() {
    check_refused(b"\x80\x02cposix\nsystem\nq\x00X\x02\x00\x00\x00ls\x85R.", "`posix.system`, which is refused");
    check_refused(b"\x80\x02cbuiltins\neval\n.", "`builtins.eval`");
    check_refused(b"\x80\x02ctorch\nLongStorage\n.", "torch.LongStorage; expected f32");
    check_refused(b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93.", "`posix.system`, which is refused");
    check_refused(b"\x80\x04\x8c\x05posix\x94K\x01\x93.", "names a class by no text");
    check_refused(b"ccollections\nOrderedDict\nX\x01\x00\x00\x00a\x85R.", "with wrong arguments");
}

#[test]
fn broken_pickles_are_errors() {
    check_refused(b"", "truncated");
    check_refused(b"\x80\x02X\xff\xff\xff\xffabc", "truncated");
    check_refused(b"\x80\x02)\x86.", "takes more than it has");
    check_refused(b"\x80\x02t.", "takes more than it has");
    check_refused(b"\x80\x02h\x00.", "never noted");
    check_refused(b"\x80\x02K\x01a.", "appends to no list");
    check_refused(b"\x80\x02K\x01K\x01a.", "appends to no list");
    check_refused(b"\x80\x04\x95", "truncated");
    check_refused(b"\x80\x06.", "protocol 6, and 5 is the last");
    check_refused(b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "truncated");
    check_refused(&[b')'; 60_000], "more than 50000 operations");
    check_refused(b"NNb", "gives attributes to nothing");
    check_refused(b"}K\x01u.", "takes more than it has");
    check_refused(b"}(K\x01u.", "a key without a value");
    check_refused(b"o", "operation `o`");
    // As deep as can be: what is never walked costs nothing.
    assert!(load(&[&b")"[..], &[0x85; 49_000], b"."].concat()).is_ok());
}
