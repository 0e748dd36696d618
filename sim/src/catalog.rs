//! The systems that a command can name, their types hidden, so that commands and gates are written once for all.

use crate::run::{Job, ScenarioJob, SwarmJob};
use onceward_model::{
    scenario::{self, ScenarioError},
    system::{Mutant, Promise, System},
    systems::{self, Visitor},
};
use std::marker::PhantomData;

/// A system, its types hidden.
pub trait Subject: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// What it is, in one sentence.
    fn about(&self) -> &'static str;
    /// What it promises.
    fn promises(&self) -> &'static [Promise];
    /// Its known bugs.
    fn mutants(&self) -> Vec<Mutant>;
    /// Plans drawn from seeds.
    fn swarm(&self) -> Box<dyn Job>;
    /// Reads a scenario for it.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    fn read(&self, name: &str, text: &str) -> Result<Box<dyn Job>, ScenarioError>;
}

struct Of<S>(PhantomData<fn() -> S>);

impl<S: System> Subject for Of<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }
    fn about(&self) -> &'static str {
        S::ABOUT
    }
    fn promises(&self) -> &'static [Promise] {
        S::promises()
    }
    fn mutants(&self) -> Vec<Mutant> {
        S::mutants()
    }
    fn swarm(&self) -> Box<dyn Job> {
        Box::new(SwarmJob::<S>::new())
    }
    fn read(&self, name: &str, text: &str) -> Result<Box<dyn Job>, ScenarioError> {
        Ok(Box::new(ScenarioJob::<S>::read(name, text)?))
    }
}

/// The systems that a command can name.
#[derive(Default)]
pub struct Catalog(Vec<Box<dyn Subject>>);

impl Catalog {
    /// No system.
    pub fn new() -> Catalog {
        Catalog::default()
    }

    /// The systems of this repository.
    pub fn shipped() -> Catalog {
        let mut catalog = Catalog::new();
        systems::each(&mut catalog);
        catalog
    }

    /// Adds a system.
    #[must_use]
    pub fn with<S: System>(mut self) -> Catalog {
        self.visit::<S>();
        self
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &dyn Subject> {
        self.0.iter().map(|subject| &**subject)
    }

    /// One of them.
    ///
    /// # Errors
    /// There is none of that name; the message names those that there are.
    pub fn find(&self, name: &str) -> Result<&dyn Subject, String> {
        let names = || self.all().map(Subject::name);
        let unknown = || scenario::unknown("system", name, names());
        self.all().find(|subject| subject.name() == name).ok_or_else(unknown)
    }

    /// Reads a scenario, whichever system it is for.
    ///
    /// # Errors
    /// Everything that is wrong with the text, with its place.
    pub fn read(&self, name: &str, bytes: &[u8]) -> Result<Box<dyn Job>, String> {
        let text = scenario::text_of(bytes).map_err(|error| error.in_file(name).to_string())?;
        let system = scenario::peek(text).map_err(|error| error.in_file(name).to_string())?;
        let subject = self.find(&system).map_err(|error| format!("error: {error}\n--> {name}"))?;
        subject.read(name, text).map_err(|error| error.in_file(name).to_string())
    }
}

impl Visitor for Catalog {
    fn visit<S: System>(&mut self) {
        self.0.push(Box::new(Of::<S>(PhantomData)));
    }
}
