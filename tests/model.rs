//! Random lives of a gateway against a small reference model.
//!
//! `LANGO_MODEL_RUNS` says how many (1000), `LANGO_MODEL_SEED` replays one. A life that fails tells its
//! story and its seed.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "this is a test, its modules included")]

#[path = "model/mod.rs"]
mod model;

use model::memory::Memory;
use model::number;
use model::world::{Deaths, World};

const STEPS: u32 = 60;

#[test]
fn the_gate_does_what_the_reference_says() {
    let first = u64::from_le_bytes(lango::clock::random());
    let seeds = match number("LANGO_MODEL_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("LANGO_MODEL_RUNS").unwrap_or(1000)).map(|n| first.wrapping_add(n)).collect(),
    };
    for seed in seeds {
        World::new(seed, Memory::default(), Deaths::Sometimes).live(STEPS);
    }
}

#[test]
fn the_same_life_may_end_and_go_on_at_any_point() {
    for seed in 0..3 {
        for point in 1.. {
            let mut world = World::new(seed, Memory::default(), Deaths::At(point));
            world.live(STEPS);
            if world.points < point {
                assert!(point > 100, "a life has many points");
                break;
            }
        }
    }
}
