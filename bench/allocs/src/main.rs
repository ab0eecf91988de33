// SPDX-License-Identifier: MIT OR Apache-2.0

//! `allocs THREADS ROUNDS`: each thread keeps a window of blocks of mixed sizes, replaces one after the other, grows some,
//! and hands every eighth to its neighbour, who frees it. The work is the same whatever the number of threads.

use std::sync::mpsc;
use std::thread;

/// How many blocks a thread keeps at once.
const WINDOW: usize = 4096;

/// xorshift64, so that the sizes are the same each time.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Mostly small, as in programs: three quarters below 128 bytes, one in 256 up to 64 KiB.
    fn size(&mut self) -> usize {
        let r = self.next();
        let wide = (r >> 16) as usize;
        match r & 0xff {
            0 => 1 + wide % 65_536,
            1..=63 => 1 + wide % 1_024,
            _ => 1 + wide % 128,
        }
    }
}

fn block(rng: &mut Rng) -> Vec<u8> {
    let size = rng.size();
    let mut b = Vec::with_capacity(size);
    b.push(size as u8);
    b
}

fn work(
    seed: u64,
    rounds: usize,
    give: mpsc::SyncSender<Vec<u8>>,
    take: mpsc::Receiver<Vec<u8>>,
) -> u64 {
    let mut rng = Rng(0x9e37_79b9_7f4a_7c15 ^ (seed + 1));
    let mut window: Vec<Vec<u8>> = (0..WINDOW).map(|_| block(&mut rng)).collect();
    let mut sum = 0u64;
    for round in 0..rounds {
        let at = rng.next() as usize % WINDOW;
        let old = std::mem::replace(&mut window[at], block(&mut rng));
        sum += u64::from(old[0]);
        if round % 8 == 0 {
            // A full neighbour frees none: this thread does then.
            let _ = give.try_send(old);
        }
        if round % 16 == 0 {
            window[at].reserve(256);
        }
        while let Ok(theirs) = take.try_recv() {
            sum += theirs.len() as u64;
        }
    }
    sum
}

fn main() {
    let words: Vec<usize> = std::env::args()
        .skip(1)
        .map(|w| w.parse().expect("a number"))
        .collect();
    let &[threads, rounds] = words.as_slice() else {
        panic!("allocs THREADS ROUNDS");
    };
    let (gives, takes): (Vec<_>, Vec<_>) = (0..threads).map(|_| mpsc::sync_channel(1_024)).unzip();
    let mut gives: std::collections::VecDeque<_> = gives.into();
    gives.rotate_left(1);
    let crew: Vec<_> = gives
        .into_iter()
        .zip(takes)
        .enumerate()
        .map(|(i, (give, take))| {
            thread::spawn(move || work(i as u64, rounds / threads, give, take))
        })
        .collect();
    let sum: u64 = crew.into_iter().map(|t| t.join().expect("a thread")).sum();
    assert!(sum > 0);
    println!("{sum}");
}
