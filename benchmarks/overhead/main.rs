//! Nanoseconds of a call from Rust, the best of batches over SECONDS: main SECONDS THREADS.

use digits::{Model, INPUT0, INPUT0_SIZE, OUTPUT0_SIZE};
use std::thread;
use std::time::Instant;

const BATCH: u32 = 1000;

/// Prints the best time of a call, and the calls per second of all threads together.
fn measure<Call: FnMut()>(name: &str, seconds: f64, threads: usize, prepare: impl Fn() -> Call + Sync) {
    let one = || {
        let mut call = prepare();
        let (start, mut best, mut calls) = (Instant::now(), f64::INFINITY, 0.0);
        while start.elapsed().as_secs_f64() < seconds {
            let before = Instant::now();
            (0..BATCH).for_each(|_| call());
            best = best.min(before.elapsed().as_secs_f64());
            calls += f64::from(BATCH);
        }
        (best, calls / start.elapsed().as_secs_f64())
    };
    let all: Vec<(f64, f64)> = thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let total: f64 = all.iter().map(|(_, rate)| rate).sum();
    println!("{name} {:.1} {total:.0}", all[0].0 * 1e9 / f64::from(BATCH));
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let (seconds, threads) = (words[1].parse().unwrap(), words[2].parse().unwrap());
    let model = Model::open().unwrap();
    measure("Rust-Model.run", seconds, threads, || {
        let (model, x) = (&model, vec![0.0; INPUT0_SIZE]);
        move || drop(model.run(&[(INPUT0, &x)]).unwrap())
    });
    measure("Rust-Session", seconds, threads, || {
        let mut session = model.session().unwrap();
        let (x, mut y) = ([0.0; INPUT0_SIZE], [0.0; OUTPUT0_SIZE]);
        move || {
            session.input_mut::<f32>(0).unwrap().copy_from_slice(&x);
            session.run().unwrap();
            y.copy_from_slice(session.output(0).unwrap());
        }
    });
}
