//! The digit network through the safe crate: golden vectors, threads, sessions, and faults.

use digits::{Code, DType, Element, Error, Format, Isa, Model, Options, Session, Tensor, Values};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A line of golden.txt: 64 pixels, the digit that they show, and the 10 scores.
struct Vector {
    pixels: Vec<u8>,
    scores: Vec<f32>,
}

impl Vector {
    fn floats(&self) -> Vec<f32> {
        self.pixels.iter().map(|&p| f32::from(p) / 255.0).collect()
    }
}

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "data", name].iter().collect()
}

fn golden() -> Vec<Vector> {
    let text = fs::read_to_string(file("golden.txt")).unwrap();
    let vector = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        Vector {
            pixels: words[..64].iter().map(|word| word.parse().unwrap()).collect(),
            scores: words[65..].iter().map(|word| word.parse().unwrap()).collect(),
        }
    };
    let vectors: Vec<Vector> = text.lines().map(vector).collect();
    assert!(vectors.len() >= 20);
    vectors
}

fn near(got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len());
    assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() <= 1e-5), "{got:?} is not {want:?}");
}

fn run(model: &Model, x: &[f32]) -> Vec<f32> {
    model.run(&[(digits::INPUT0, x)]).unwrap().remove(digits::OUTPUT0).unwrap()
}

#[test]
fn describes_itself() {
    let model = Model::open().unwrap();
    let input = &model.inputs()[0];
    assert_eq!((model.inputs().len(), model.outputs().len()), (1, 1));
    assert_eq!((&*input.name, input.dtype, &*input.shape), (digits::INPUT0, DType::Float32, &[1, 1, 8, 8][..]));
    assert_eq!((input.size(), model.outputs()[0].size()), (digits::INPUT0_SIZE, digits::OUTPUT0_SIZE));
    assert_eq!(model.outputs()[0].name, digits::OUTPUT0);
    assert_eq!((model.label(7).as_deref(), model.label(10), model.label(usize::MAX)), (Some("7"), None, None));
    assert!(model.meta("name").is_some() && model.meta("no such key").is_none() && model.meta("a\0b").is_none());
    assert!(format!("{model:?}").contains(digits::INPUT0));
}

#[test]
fn golden_vectors() {
    let model = Model::open().unwrap();
    for v in golden() {
        near(&run(&model, &v.floats()), &v.scores);
        let best = model.classify(&v.pixels, 8, 8, Format::Gray8, 99).unwrap();
        let mut scores = vec![0.0; 10];
        for p in &best {
            scores[p.class] = p.score;
            assert_eq!(p.label, p.class.to_string());
        }
        near(&scores, &v.scores);
        assert!(best.windows(2).all(|pair| pair[0].score >= pair[1].score));
    }
}

#[test]
fn pictures_of_every_format() {
    let model = Model::open().unwrap();
    let v = &golden()[0];
    for (format, channels) in
        [(Format::Gray8, 1), (Format::Rgb8, 3), (Format::Bgr8, 3), (Format::Rgba8, 4), (Format::Bgra8, 4)]
    {
        assert_eq!(format.bytes(), channels);
        let pixels: Vec<u8> = v.pixels.iter().flat_map(|&p| vec![p; channels]).collect();
        let best = model.classify(&pixels, 8, 8, format, 10).unwrap();
        assert!(best.iter().all(|p| (p.score - v.scores[p.class]).abs() <= 1e-5), "{format:?} {best:?}");
    }
    assert!(model.classify(&v.pixels, 8, 8, Format::Gray8, 0).unwrap().is_empty());
}

#[test]
fn sessions_without_copies_outlive_their_model_and_change_threads() {
    let mut session = Model::open().unwrap().session().unwrap();
    assert!(session.input_mut::<f32>(0).unwrap().iter().all(|&x| x == 0.0));
    assert_eq!(session.output::<f32>(0).unwrap_err().code, Code::Argument); // nothing is there yet
    assert_eq!(session.top(0, 1).unwrap_err().code, Code::Argument);
    thread::spawn(move || {
        for v in golden() {
            session.input_mut(0).unwrap().copy_from_slice(&v.floats());
            session.run().unwrap();
            near(session.output(0).unwrap(), &v.scores);
        }
    })
    .join()
    .unwrap();
}

#[test]
fn batches_leave_the_default_shape_as_it_is() {
    let model = Model::open().unwrap();
    let vectors = golden();
    let all = |part: fn(&Vector) -> Vec<f32>| vectors[..3].iter().flat_map(part).collect::<Vec<f32>>();
    let x = Tensor::new(&[3, 1, 8, 8], all(Vector::floats));
    let results = model.run_tensors(&[(digits::INPUT0, &x)]).unwrap();
    let y = &results[digits::OUTPUT0];
    assert_eq!(y.shape, [3, 10]);
    match &y.values {
        Values::Float32(scores) => near(scores, &all(|v| v.scores.clone())),
        Values::Int64(_) => panic!("{y:?}"),
    }
    near(&run(&model, &vectors[0].floats()), &vectors[0].scores);
}

#[test]
fn a_run_is_cancelled_from_another_thread() {
    let (v, count) = (&golden()[0], 1 << 12); // so many that a run outlasts what keeps that thread from its turn
    let mut session = Model::open().unwrap().session().unwrap();
    session.set_shape(0, &[count, 1, 8, 8]).unwrap();
    let x = v.floats().repeat(count);
    let canceller = session.canceller();
    canceller.cancel(); // nothing is under way: the next run is not cancelled
    for _ in 0..3 {
        session.input_mut(0).unwrap().copy_from_slice(&x);
        session.run().unwrap();
        near(&session.output(0).unwrap()[..10], &v.scores);
        let ended = AtomicBool::new(false);
        let fault = thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    canceller.cancel();
                }
            });
            let fault = session.run().unwrap_err();
            ended.store(true, Ordering::Relaxed);
            fault
        });
        assert_eq!(fault.code, Code::Cancelled);
        assert_eq!(session.output::<f32>(0).unwrap_err().code, Code::Argument); // of a run that has not ended
    }
    drop(session);
    canceller.cancel();
}

#[test]
fn shapes_of_a_session_change() {
    let mut session = Model::open().unwrap().session().unwrap();
    session.set_shape(0, &[2, 1, 8, 8]).unwrap();
    assert_eq!(session.input_info(0).unwrap().shape, [2, 1, 8, 8]);
    assert_eq!(session.output_info(0).unwrap().shape, [2, 10]);
    assert_eq!(session.set_shape(0, &[1, 64]).unwrap_err().code, Code::Shape);
    assert_eq!(session.input_mut::<f32>(0).unwrap().len(), 128); // as before the fault
    session.run().unwrap();
    assert_eq!(session.output::<f32>(0).unwrap().len(), 20);
}

#[test]
fn threads_agree_to_the_last_bit() {
    let model = Model::open().unwrap();
    let xs: Vec<Vec<f32>> = golden().iter().map(Vector::floats).collect();
    let want: Vec<Vec<f32>> = xs.iter().map(|x| run(&model, x)).collect();
    thread::scope(|scope| {
        for first in 0..8 {
            let (model, xs, want) = (&model, &xs, &want);
            scope.spawn(move || {
                for n in 0..200 {
                    let at = (first + n) % xs.len();
                    assert_eq!(run(model, &xs[at]), want[at]);
                }
            });
        }
    });
    let of_two = Options { threads: 2, ..Options::default() }.open().unwrap();
    assert_eq!(run(&of_two, &xs[0]), want[0]);
}

fn fails<T>(what: Result<T, Error>, code: Code, says: &str) {
    let error = what.err().unwrap_or_else(|| panic!("no fault: {says}"));
    assert_eq!(error.code, code, "{error}");
    assert!(error.to_string().contains(says), "'{error}' says nothing of '{says}'");
    let _: &dyn std::error::Error = &error;
}

#[test]
fn faults_have_codes_and_leave_the_model_usable() {
    let model = Model::open().unwrap();
    let (x, pixels) = (vec![0.5_f32; 64], [0; 64]);
    let want = run(&model, &x);
    let floats = |x: &[f32]| model.run(&[(digits::INPUT0, x)]);
    let named = |name: &str| model.run(&[(name, &x)]);
    let tensor = |shape: &[usize], x: Values| model.run_tensors(&[(digits::INPUT0, Tensor::new(shape, x))]);
    let picture = |pixels: &[u8], w, h| model.classify(pixels, w, h, Format::Gray8, 1);
    let opened = |options: Options| options.open()?.run(&[(digits::INPUT0, &x)]);
    let whole = [1, 1, 8, 8];

    fails(floats(&x[..63]), Code::Shape, "[1, 1, 8, 8] takes 64 elements, got 63");
    fails(floats(&[]), Code::Shape, "got 0");
    fails(named("nothing"), Code::Argument, "no input 'nothing'; there are [\"");
    fails(model.run::<Vec<f32>>(&[]), Code::Argument, "is missing");
    fails(tensor(&whole, vec![0_i64; 64].into()), Code::Shape, "Int64");
    fails(tensor(&whole, vec![0.0; 63].into()), Code::Shape, "63");
    fails(tensor(&[64], x.clone().into()), Code::Shape, "axes");
    fails(tensor(&[1; 9], x.clone().into()), Code::Shape, "9 axes");
    fails(tensor(&[1, 2, 8, 8], vec![0.0; 128].into()), Code::Shape, "");
    fails(tensor(&[0, 1, 8, 8], vec![0.0; 0].into()), Code::Shape, "");
    fails(tensor(&[usize::MAX, 1, 8, 8], vec![0.0; 0].into()), Code::Shape, "");
    fails(picture(&pixels[..63], 8, 8), Code::Shape, "63 bytes are no picture of 8 x 8");
    fails(picture(&[], 0, 8), Code::Argument, "");
    fails(picture(&pixels, usize::MAX, 2), Code::Shape, "");
    fails(picture(&pixels, 1 << 40, 1 << 40), Code::Shape, "");
    fails(Model::open_file(file("nothing.amg")), Code::File, "nothing.amg");
    fails(Model::open_file("a\0b"), Code::Argument, "zero");
    fails(Model::open_file(file("golden.txt")), Code::Format, "magic");
    fails(Model::open_bytes(&[]), Code::Format, "no bytes");
    let mut damaged = fs::read(file("digits.amg")).unwrap();
    damaged[300] ^= 0x55;
    fails(Model::open_bytes(&damaged), Code::Checksum, "");
    damaged[300] ^= 0x55;
    *damaged.last_mut().unwrap() ^= 0x55;
    let path = std::env::temp_dir().join(format!("damaged-{}.amg", std::process::id()));
    fs::write(&path, &damaged).unwrap();
    fails(Model::open_bytes(&damaged), Code::Checksum, "weights");
    fails(Model::open_file(&path), Code::Checksum, "weights");
    fs::remove_file(path).unwrap();
    fails(Model::open_bytes(&damaged[..30]), Code::Format, "");
    fails(opened(Options { threads: 1 << 20, ..Options::default() }), Code::Argument, "");
    fails(opened(Options { threads: usize::MAX, ..Options::default() }), Code::Argument, "");
    fails(opened(Options { isa: Isa::Wasm, ..Options::default() }), Code::Unsupported, "");
    let mut session = model.session().unwrap();
    fails(session.input_mut::<f32>(1).map(drop), Code::Argument, "there are 1");
    fails(session.input_mut::<i64>(0).map(drop), Code::Shape, "Int64");
    fails(session.output_info(usize::MAX).map(drop), Code::Argument, "");
    fails(session.set_shape(3, &whole), Code::Argument, "");
    fails(session.set_image(usize::MAX, &pixels, 8, 8, Format::Gray8), Code::Argument, "");
    assert_eq!(run(&model, &x), want);
}

#[test]
fn another_file_of_the_model() {
    let v = &golden()[0];
    let bytes = fs::read(file("digits.amg")).unwrap();
    for model in [Model::open_file(file("digits.amg")).unwrap(), Model::open_bytes(&bytes).unwrap()] {
        near(&run(&model, &v.floats()), &v.scores);
    }
}

#[test]
fn what_threads_may_do_with_it() {
    fn shared<T: Send + Sync>() {}
    fn moved<T: Send>() {}
    fn element<T: Element>() {}
    shared::<Model>();
    shared::<Options>();
    shared::<Error>();
    moved::<Session>();
    element::<f32>();
    element::<i64>();
}
