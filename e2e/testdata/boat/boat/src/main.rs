// SPDX-License-Identifier: MIT OR Apache-2.0

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

include!(concat!(env!("OUT_DIR"), "/planks.rs"));

#[derive(Debug, Serialize, Deserialize)]
struct Boat {
    name: String,
    planks: usize,
    cargo: BTreeMap<String, u32>,
}

fn main() {
    let text = std::env::args()
        .nth(1)
        .unwrap_or_else(|| r#"{"name":"sampan","planks":1,"cargo":{"rice":3}}"#.to_owned());
    let mut boat: Boat = serde_json::from_str(&text).expect("a boat in JSON");
    boat.planks = planks(boat.planks);
    hull::float(&boat.name);
    println!("{}", serde_json::to_string(&boat).expect("write JSON"));
}
