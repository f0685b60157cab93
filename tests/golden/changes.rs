//! Whatever is changed in a set is found, by hash where the hash is as it was, and by what the files say where it is not.

use super::set::{self, path, replace};
use lossproof::check::Silent;
use lossproof::format::Format;
use lossproof::golden::{self, MANIFEST, SCHEMA_FILE, verify};
use std::path::Path;

fn differences(folder: &Path, quick: bool) -> Vec<String> {
    let verification = verify(folder, quick, &Silent).expect("there is a set");
    verification.differences.iter().map(ToString::to_string).collect()
}

#[test]
fn a_set_that_is_as_it_was_written_has_no_difference() {
    let verification = verify(set::small(), false, &Silent).unwrap();
    assert!(verification.differences.is_empty(), "{:?}", verification.differences);
    assert_eq!(verification.files, 4);
    assert!(verification.tests > 40 && verification.elements > 300, "{verification:?}");
}

#[test]
fn a_flipped_byte_of_any_file_is_found_and_the_file_named() {
    for format in Format::ALL {
        let golden_file = path(format);
        let copy = set::copy_of(&|other| other == golden_file);
        for path in set::files(copy.path()) {
            let place = copy.path().join(&path);
            let bytes = std::fs::read(&place).unwrap();
            // Every byte would be too many; these are spread over the file, and the last is its last line's.
            for at in (0..bytes.len()).step_by(bytes.len() / 40 + 1).chain([bytes.len() - 1]) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << (at % 7);
                std::fs::write(&place, &flipped).unwrap();
                let found = match verify(copy.path(), true, &Silent) {
                    Ok(verification) => verification.differences.iter().map(ToString::to_string).collect(),
                    Err(error) => vec![error.to_string()],
                };
                // In the manifest a flip may be in another file's hash, and names that file.
                let named = path == MANIFEST || found.iter().any(|text| text.contains(&path));
                assert!(!found.is_empty() && named, "{path} byte {at}: {found:?}");
            }
            std::fs::write(&place, &bytes).unwrap();
        }
        assert!(differences(copy.path(), true).is_empty());
    }
}

#[test]
fn a_missing_file_and_a_strange_one_are_found() {
    let copy = set::copy();
    std::fs::write(copy.path().join("regression.txt"), "x").unwrap();
    assert!(differences(copy.path(), true)[0].contains("regression.txt: MANIFEST.json does not list it"));
    std::fs::remove_file(copy.path().join("regression.txt")).unwrap();
    std::fs::remove_file(copy.path().join(path(Format::F16))).unwrap();
    assert!(differences(copy.path(), true)[0].contains(&path(Format::F16)));
    std::fs::remove_file(copy.path().join(MANIFEST)).unwrap();
    let error = verify(copy.path(), true, &Silent).unwrap_err().to_string();
    assert!(error.contains("holds no golden files"), "{error}");
}

#[test]
fn a_dropped_test_is_found_even_where_the_hash_follows() {
    let copy = set::copy();
    let path = path(Format::F32);
    let text = std::fs::read_to_string(copy.path().join(&path)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let tests: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].starts_with("{\"id\":")).collect();
    // From the middle of a group, so that what is left is JSON.
    let dropped = *tests.iter().find(|&&at| lines[at].ends_with(',')).unwrap();
    let mut left = lines.clone();
    left.remove(dropped);
    replace(copy.path(), &path, &(left.join("\n") + "\n"));
    let found = differences(copy.path(), true);
    assert!(found[0].contains(&path) && found[0].contains("is due"), "{found:?}");
}

#[test]
fn a_changed_digit_is_named_by_file_test_and_element() {
    let path = path(Format::F32);
    let text = std::fs::read_to_string(set::small().join(&path)).unwrap();
    let mut file = golden::read_file(&path, text.as_bytes()).unwrap().file;
    let with = |change: &dyn Fn(&mut golden::Output)| {
        let mut changed = file.clone();
        let test = changed.groups[0]
            .tests
            .iter_mut()
            .find(|test| test.outputs["grad.prediction"].values.0.len() > 1);
        let test = test.unwrap();
        change(test.outputs.get_mut("grad.prediction").unwrap());
        (test.id, golden::file_text(&changed))
    };
    let swapped = |output: &mut golden::Output| {
        let at = (1..output.values.0.len()).find(|&at| output.values.0[at] != output.values.0[0]).unwrap();
        output.values.0.swap(0, at);
        output.canonical.0.swap(0, at);
        output.budget.0.swap(0, at);
        output.backward.0.swap(0, at);
    };
    let values_only = |output: &mut golden::Output| {
        let at = (1..output.values.0.len()).find(|&at| output.values.0[at] != output.values.0[0]).unwrap();
        output.values.0.swap(0, at);
    };
    let budget = |output: &mut golden::Output| output.budget.0[1].0 *= 2.0;
    let backward = |output: &mut golden::Output| output.backward.0[0].0 *= 0.5;
    let upstream = |output: &mut golden::Output| {
        output.ignoring_upstream = match output.ignoring_upstream {
            None => Some(golden::Ignoring { level: None, counts: false }),
            Some(_) => None,
        };
    };
    type Change<'a> = &'a dyn Fn(&mut golden::Output);
    let changes: [(&str, Change, bool); 5] = [
        ("grad.prediction at [0]: the value is ", &swapped, false),
        ("grad.prediction at [0]: the value is ", &values_only, true),
        ("grad.prediction at [1]: budget is ", &budget, false),
        ("grad.prediction at [0]: backward is ", &backward, false),
        ("grad.prediction: ignoring_upstream", &upstream, false),
    ];
    for (what, change, quick) in changes {
        let copy = set::copy_of(&|other| other == path);
        let (id, text) = with(change);
        replace(copy.path(), &path, &text);
        let found = differences(copy.path(), quick);
        let named = |text: &String| {
            text.contains(&path) && text.contains(&format!("test {id}:")) && text.contains(what)
        };
        assert!(found.iter().any(named), "{what} in test {id}: {found:?}");
    }
    // An input that is changed makes another truth.
    let test = &mut file.groups[0].tests[0];
    let tensor = test.inputs.values_mut().next().unwrap();
    let mut values = tensor.0.floats().to_vec();
    values[0] = if values[0] == 1.0 { 2.0 } else { 1.0 };
    tensor.0 = lossproof::tensor::Tensor::float(Format::F32, &tensor.0.shape.clone(), values);
    let copy = set::copy_of(&|other| other == path);
    replace(copy.path(), &path, &golden::file_text(&file));
    let found = differences(copy.path(), false);
    assert!(found.iter().any(|text| text.contains("test 1: ")), "{found:?}");
}

#[test]
fn a_changed_convention_is_named_by_file_test_and_choice() {
    let path = path(Format::F32);
    let text = std::fs::read_to_string(set::small().join(&path)).unwrap();
    let whole = golden::read_file(&path, text.as_bytes()).unwrap().file;
    // The changed text, and the test's number.
    let with = |change: &dyn Fn(&mut golden::Test)| {
        let mut file = whole.clone();
        let mut tests = file.groups.iter_mut().flat_map(|group| &mut group.tests);
        let rich = |test: &&mut golden::Test| {
            let outputs = test.conventions.first().map(|other| &other.outputs);
            outputs.is_some_and(|outputs| {
                outputs.len() > 1 && outputs.values().all(|output| output.budget.0[0].0 > 0.0)
            })
        };
        let test = tests.find(rich).expect("a test has another convention");
        change(test);
        let id = test.id;
        (id, golden::file_text(&file))
    };
    let dropped = |test: &mut golden::Test| drop(test.conventions.remove(0));
    let digit = |test: &mut golden::Test| {
        test.conventions[0].outputs.values_mut().next().unwrap().budget.0[0].0 *= 2.0;
    };
    let output = |test: &mut golden::Test| drop(test.conventions[0].outputs.pop_last());
    let twice = |test: &mut golden::Test| test.conventions.push(test.conventions[0].clone());
    let unknown = |test: &mut golden::Test| test.conventions[0].params.set("reduction", "sum");
    let empty = |test: &mut golden::Test| test.conventions[0].outputs.clear();
    type Change<'a> = &'a dyn Fn(&mut golden::Test);
    let changes: [(&str, Change, bool); 6] = [
        ("makes a difference, and is missing", &dropped, false),
        ("budget is ", &digit, false),
        ("is missing", &output, false),
        ("the case has no such choice, or not in this place", &twice, true),
        ("the case has no such choice, or not in this place", &unknown, true),
        ("it changes nothing", &empty, true),
    ];
    for (what, change, quick) in changes {
        let copy = set::copy_of(&|other| other == path);
        let (id, text) = with(change);
        replace(copy.path(), &path, &text);
        let found = differences(copy.path(), quick);
        let named = |text: &String| {
            let words = [&path, &format!("test {id}: convention {{"), what];
            words.iter().all(|word| text.contains(*word))
        };
        assert!(found.iter().any(named), "{what} in test {id}: {found:?}");
    }
}

#[test]
fn a_field_that_is_not_known_is_refused_wherever_it_stands() {
    let path = path(Format::F32);
    let text = std::fs::read_to_string(set::small().join(&path)).unwrap();
    let places =
        ["{\"schema\":1,", "\"source\":{", "{\"params\":", "{\"id\":1,", "{\"dtype\":", "{\"shape\":"];
    for place in places {
        assert!(text.contains(place), "{place}");
        let (before, brace) = place.split_once('{').unwrap();
        let more = text.replacen(place, &format!("{before}{{\"more\":0,{brace}"), 1);
        let copy = set::copy();
        replace(copy.path(), &path, &more);
        let found = differences(copy.path(), true);
        assert!(found[0].contains(&path) && found[0].contains("unknown field `more`"), "{place}: {found:?}");
    }
    // The same field twice, and a space, say nothing new, and are changes all the same.
    for (place, other) in [("\"nonnegative\":true,", "\"nonnegative\":true ,"), ("{\"id\":1,", "{\"id\":1, ")]
    {
        let copy = set::copy();
        replace(copy.path(), &path, &text.replacen(place, other, 1));
        assert!(differences(copy.path(), true)[0].contains("is not as lossproof writes it"), "{place}");
    }
}

#[test]
fn a_file_of_a_newer_schema_is_refused_clearly() {
    let path = path(Format::F32);
    let text = std::fs::read_to_string(set::small().join(&path)).unwrap();
    let newer = text.replacen("{\"schema\":1,", "{\"schema\":2,\"what is new\":[],", 1);
    let error = golden::read_file(&path, newer.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("{path} has schema 2, and this version of lossproof reads up to 1: take a newer lossproof")
    );
    for other in ["{\"schema\":0,", "{\"schema\":\"1\",", "{"] {
        let text = text.replacen("{\"schema\":1,", other, 1);
        assert!(golden::read_file(&path, text.as_bytes()).unwrap_err().to_string().contains("its schema is"));
    }
    let copy = set::copy();
    let manifest = std::fs::read_to_string(copy.path().join(MANIFEST)).unwrap();
    std::fs::write(copy.path().join(MANIFEST), manifest.replacen("\"schema\":1", "\"schema\":7", 1)).unwrap();
    let error = verify(copy.path(), true, &Silent).unwrap_err().to_string();
    assert!(error.contains("has schema 7"), "{error}");
}

#[test]
fn what_is_no_golden_file_is_refused_without_a_panic() {
    let path = path(Format::F16);
    let text = std::fs::read_to_string(set::small().join(&path)).unwrap();
    for end in (0..text.len()).step_by(text.len() / 60 + 1) {
        assert!(golden::read_file(&path, &text.as_bytes()[..end]).is_err(), "{end}");
    }
    let huge = [
        text.replacen("\"shape\":[", "\"shape\":[4294967296,4294967296,", 1),
        text.replacen("\"longest_sum\":", "\"longest_sum\":-", 1),
        text.replacen("\"number_of_tests\":", "\"number_of_tests\":9", 1),
        text.replacen("\"budget\":[", "\"budget\":[-", 1),
        text.replacen("\"loss\":\"", "\"loss\":\"no_", 1),
        text.replacen("\"regime\":\"", "\"regime\":\"no_", 1),
    ];
    for changed in huge {
        assert!(changed != text && golden::read_file(&path, changed.as_bytes()).is_err());
    }
    // A manifest that points elsewhere reads nothing there.
    let copy = set::copy();
    let manifest = std::fs::read_to_string(copy.path().join(MANIFEST)).unwrap();
    let elsewhere = manifest.replacen(&path, "../elsewhere.json", 1);
    std::fs::write(copy.path().join(MANIFEST), elsewhere).unwrap();
    // It is no manifest as lossproof writes it, or it is, and points out of the folder.
    match verify(copy.path(), true, &Silent) {
        Err(error) => assert!(error.to_string().contains(MANIFEST), "{error}"),
        Ok(found) => {
            let texts: Vec<String> = found.differences.iter().map(ToString::to_string).collect();
            assert!(texts.iter().any(|text| text.contains("it is not inside the folder")), "{texts:?}");
        }
    }
}

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(SCHEMA_FILE);
    let text = std::fs::read_to_string(committed).expect("golden/schema.json is committed");
    assert!(text == golden::schema::text(), "`make golden` writes golden/schema.json anew");
}
