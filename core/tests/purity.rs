//! The machines stay pure in fact, not only by intent: no standard library in the sources, and a dependency tree that
//! is allow-listed with every `std` feature off.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

/// Every crate that the machines may be built from. A new name here is a decision: it must build without the standard
/// library and do no I/O.
const ALLOWED: &[&str] = &[
    "arrayref",
    "arrayvec",
    "autocfg", // build script of num-traits
    "blake3",
    "bytes",
    "cc", // build script of blake3
    "cfg-if",
    "constant_time_eq",
    "cpufeatures",
    "crc32fast",
    "find-msvc-tools", // build script of blake3
    "libc",            // of cpufeatures, on targets that ask the system what the processor can do
    "num-traits",
    "md5",
    "onceward-core",
    "proc-macro2", // macro of thiserror
    "quote",       // macro of thiserror
    "rmp",
    "shlex", // build script of blake3
    "syn",   // macro of thiserror
    "thiserror",
    "thiserror-impl",
    "unicode-ident", // macro of thiserror
];

fn cargo_tree(edges: &str, format: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "onceward-core",
            "--edges",
            edges,
            "--prefix",
            "none",
            "--format",
            format,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn dependencies_are_allow_listed() {
    let tree = cargo_tree("normal,build", "{p}");
    let found: BTreeSet<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(found.contains("onceward-core") && found.len() > 5, "cargo tree printed something else: {tree}");
    let unknown: Vec<_> = found.iter().filter(|name| !ALLOWED.contains(name)).collect();
    assert!(unknown.is_empty(), "not on the allow-list: {unknown:?}");
}

#[test]
fn no_dependency_is_built_with_the_standard_library() {
    let tree = cargo_tree("normal", "{p}|{f}");
    // What runs at compile time only may use what it likes.
    let compile_time = ["proc-macro2", "quote", "syn", "thiserror-impl", "unicode-ident"];
    for line in tree.lines() {
        let (package, features) = line.split_once('|').unwrap();
        let name = package.split_whitespace().next().unwrap_or_default();
        let features: Vec<&str> = features.split(',').map(|f| f.trim_end_matches(" (*)")).collect();
        let with_std = features.contains(&"std") && !compile_time.contains(&name);
        assert!(!with_std, "{name} is built with its feature `std`: {features:?}");
    }
}

#[test]
fn sources_do_not_name_the_standard_library() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 5, "found {} source files only", files.len());
    let root = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    assert!(root.contains("#![no_std]") && root.contains("#![forbid(unsafe_code)]"));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let in_tests = file.components().any(|part| part.as_os_str().to_string_lossy().contains("test"));
        // Unit tests stand at the end of a file and may use what they like.
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate().filter(|_| !in_tests) {
            let code = line.split("//").next().unwrap_or_default();
            let named =
                code.contains("std::") && !code.contains("no_std") || code.contains("extern crate std");
            assert!(!named, "{}:{} names the standard library: {line}", file.display(), number + 1);
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}
