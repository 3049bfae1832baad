//! Nanoseconds of a call from Rust, the best of batches of BATCH calls over SECONDS: main SECONDS THREADS BATCH.

use model::{Model, INPUT0, INPUT0_SIZE, OUTPUT0_SIZE};
use std::os::raw::c_long;
use std::thread;
use std::time::Instant;

extern "C" {
    fn clock() -> c_long; // microseconds of processor time of all threads
}

/// Prints the best time of a call, the calls per second of all threads, and the processor time of a call.
fn measure<Call: FnMut()>(name: &str, prepare: impl Fn() -> Call + Sync) {
    let words: Vec<String> = std::env::args().collect();
    let (seconds, threads): (f64, usize) = (words[1].parse().unwrap(), words[2].parse().unwrap());
    let batch: u32 = words[3].parse().unwrap();
    let one = || {
        let mut call = prepare();
        let (start, mut best, mut calls) = (Instant::now(), f64::INFINITY, 0.0);
        while start.elapsed().as_secs_f64() < seconds {
            let before = Instant::now();
            (0..batch).for_each(|_| call());
            best = best.min(before.elapsed().as_secs_f64());
            calls += f64::from(batch);
        }
        (best, start.elapsed().as_secs_f64(), calls)
    };
    let began = unsafe { clock() };
    let all: Vec<(f64, f64, f64)> = thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let cpu = (unsafe { clock() } - began) as f64 * 1e3;
    let (longest, calls) = all.iter().fold((0.0, 0.0), |sum, one| (f64::max(sum.0, one.1), sum.1 + one.2));
    println!("{name} {:.1} {:.2} {:.1}", all[0].0 * 1e9 / f64::from(batch), calls / longest, cpu / calls);
}

fn main() {
    let model = Model::open().unwrap();
    measure("Rust-Model.run", || {
        let (model, x) = (&model, vec![0.0; INPUT0_SIZE]);
        move || drop(model.run(&[(INPUT0, &x)]).unwrap())
    });
    measure("Rust-Session", || {
        let mut session = model.session().unwrap();
        let (x, mut y) = (vec![0.0; INPUT0_SIZE], vec![0.0; OUTPUT0_SIZE]);
        move || {
            session.input_mut::<f32>(0).unwrap().copy_from_slice(&x);
            session.run().unwrap();
            y.copy_from_slice(session.output(0).unwrap());
        }
    });
}
