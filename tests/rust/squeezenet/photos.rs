//! SqueezeNet on the photos and the ramp of squeezenet.txt, whose head says what its numbers are.

use squeezenet::{Format, Model, INPUT0, INPUT0_SIZE, OUTPUT0};
use std::fs;
use std::path::PathBuf;

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "data", name].iter().collect()
}

/// Pixels, width and height of a file that begins with "P6".
fn photo(name: &str) -> (Vec<u8>, usize, usize) {
    let bytes = fs::read(file(&format!("{name}.ppm"))).unwrap();
    let mut parts = bytes.splitn(5, u8::is_ascii_whitespace);
    let mut word = || parts.next().unwrap();
    assert_eq!(word(), b"P6");
    let mut number = || std::str::from_utf8(word()).unwrap().parse().unwrap();
    let (width, height, _most) = (number(), number(), number());
    (word().to_vec(), width, height)
}

/// The scores of all classes, in their order.
fn scores(model: &Model, name: &str) -> Vec<f32> {
    if name == "ramp" {
        let x: Vec<f32> = (0..INPUT0_SIZE).map(|i| (i * 7919 % 251) as f32 - 125.0).collect();
        return model.run(&[(INPUT0, x)]).unwrap().remove(OUTPUT0).unwrap();
    }
    let (pixels, width, height) = photo(name);
    let mut best = model.classify(&pixels, width, height, Format::Rgb8, 1000).unwrap();
    assert_ne!(best[0].label, best[0].class.to_string());
    best.sort_by_key(|p| p.class);
    best.iter().map(|p| p.score).collect()
}

#[test]
fn sees_what_it_saw() {
    let model = Model::open().unwrap();
    let golden = fs::read_to_string(file("squeezenet.txt")).unwrap();
    let lines: Vec<&str> = golden.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines.len(), 5);
    for line in lines {
        let mut words = line.split(' ');
        let got = scores(&model, words.next().unwrap());
        let want: Vec<f64> = words.map(|word| word.parse().unwrap()).collect();
        for pair in want[..10].chunks(2) {
            assert!((f64::from(got[pair[0] as usize]) - pair[1]).abs() <= 1e-4, "{line}");
        }
        let p = got.iter().map(|&p| f64::from(p));
        let ramp: f64 = p.clone().enumerate().map(|(i, p)| p * i as f64 / 1000.0).sum();
        let squares: f64 = p.map(|p| p * p).sum();
        assert!((ramp - want[10]).abs() <= 1e-4 && (squares - want[11]).abs() <= 1e-4, "{line}");
    }
}
