use onceward_model::{check::*, system::System, toy::ToySystem, world::*};
#[test]
fn look() {
    for named in &ToySystem::scopes() {
        let report = run_named::<ToySystem>(&named, &Limits { states: 2_000_000, time: Some(std::time::Duration::from_secs(20)), ..Limits::default() });
        println!("{report}");
        #[cfg(feature="stateright")]
        { let t = std::time::Instant::now();
        println!("{:?}", onceward_model::check::stateright::count(&named.protocol, &named.scope)); println!("{:?}", t.elapsed()); }
    }
}
