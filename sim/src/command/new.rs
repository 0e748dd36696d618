//! `cargo sim new NAME`: a package with a protocol of its own under the harness, to be changed into the newcomer's. What
//! it writes is the register of `examples/`, which is built and tested with everything else here. It writes into a folder
//! that it makes itself, and never over anything.

use super::{Context, Refused, Verdict, args};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Files that are written as they are, but for the package's name.
const FILES: [(&str, &str); 5] = [
    ("src/lib.rs", include_str!("../../template/src/lib.rs")),
    ("src/main.rs", include_str!("../../template/src/main.rs")),
    ("tests/harness.rs", include_str!("../../template/tests/harness.rs")),
    ("scenarios/slow-write.scenario", include_str!("../../template/scenarios/slow-write.scenario")),
    (".cargo/config.toml", include_str!("../../template/.cargo/config.toml")),
];

/// Words that name a package and cannot name a crate, or would hide one.
const TAKEN: [&str; 12] =
    ["core", "std", "alloc", "test", "proc-macro", "self", "super", "crate", "fn", "mod", "use", "type"];

pub(super) fn new(context: &mut Context<'_>, args: &args::New) -> Result<Verdict, Refused> {
    let name = package(&args.folder)?;
    fs::create_dir(&args.folder).map_err(|error| refused(&args.folder, &error))?;
    let manifest = [("Cargo.toml", manifest(name)), (".gitignore", "/target/\n".to_owned())];
    let files = FILES.iter().map(|(path, text)| (*path, named(text, name)));
    for (path, text) in files.chain(manifest) {
        let path = args.folder.join(path);
        let folder = path.parent().unwrap_or(&path);
        fs::create_dir_all(folder).map_err(|error| refused(folder, &error))?;
        fs::write(&path, text).map_err(|error| refused(&path, &error))?;
    }
    let folder = args.folder.display();
    writeln!(
        context.out,
        "{folder} holds a replicated register and its promises, to be changed into a protocol of yours:\n\n  \
         cd {folder}\n  \
         cargo test                                   # as any other test\n  \
         cargo sim                                    # its scenarios, and random plans for a minute\n  \
         cargo sim check                              # small worlds, to their end"
    )?;
    Ok(Verdict::Passed)
}

/// The package's name: that of the folder.
fn package(folder: &Path) -> Result<&str, Refused> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let sound = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    if !sound || TAKEN.contains(&name) || name.starts_with("onceward") {
        return Err(Refused(format!(
            "`{}` cannot be a package's name: lower-case letters, digits, `-` and `_` can, a letter first, and no word \
             of Rust or of this project",
            folder.display()
        )));
    }
    Ok(name)
}

/// The template's text for a package of another name.
fn named(text: &str, name: &str) -> String {
    let krate = name.replace('-', "_");
    text.replace("use register::", &format!("use {krate}::"))
        .replace("\"register\", \"--config\"", &format!("\"{name}\", \"--config\""))
}

fn manifest(name: &str) -> String {
    // Built from a checkout, the harness is taken from there.
    let checkout = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let harness = if checkout.join("Cargo.toml").is_file() {
        format!("{{ path = {:?} }}", checkout.display().to_string())
    } else {
        format!("{:?}", env!("CARGO_PKG_VERSION"))
    };
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n\n\
         [dependencies]\nonceward-sim = {harness}\n\n\
         [features]\nmutants = [\"onceward-sim/mutants\"]\n\n\
         # Simulations in an unoptimised build are 7 to 30 times slower.\n\
         [profile.dev]\nopt-level = 1\ndebug = \"line-tables-only\"\n\n\
         [profile.dev.package.\"*\"]\nopt-level = 2\ndebug = false\n\n\
         # A workspace of its own, wherever it lies.\n[workspace]\n"
    )
}

fn refused(path: &Path, error: &io::Error) -> Refused {
    match error.kind() {
        io::ErrorKind::AlreadyExists => Refused(format!("{} exists already", path.display())),
        _ => Refused(format!("{} cannot be written: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cargo_would_refuse_are_refused_at_once() {
        for good in ["mine", "a/b/my-machine", "m2_x"] {
            assert!(package(Path::new(good)).is_ok(), "{good}");
        }
        for bad in ["", "..", "2m", "Mine", "my machine", "core", "a/fn", "onceward-sim", "é"] {
            assert!(package(Path::new(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_template_gets_the_name_wherever_it_needs_it() {
        for (path, text) in FILES {
            let text = named(text, "my-machine");
            assert!(!text.contains("use register::"), "{path}");
            assert!(!text.contains("\"-p\", \"register\""), "{path}");
        }
        assert!(named(FILES[4].1, "my-machine").contains("\"-p\", \"my-machine\""));
        assert!(named(FILES[1].1, "my-machine").contains("use my_machine::Register"));
    }
}
