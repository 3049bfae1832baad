//! Opening, running and dropping keeps no memory. Alone in its file, so that nothing else allocates meanwhile.
#![cfg(target_os = "linux")]

use digits::Model;

/// The memory of this process in KiB.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn cycles_keep_no_memory() {
    let cycles = || {
        for _ in 0..1000 {
            let model = Model::open().unwrap();
            model.run(&[(digits::INPUT0, [0.5; 64])]).unwrap();
        }
    };
    cycles();
    let before = resident();
    cycles();
    let grown = resident() - before;
    assert!(grown < 4096, "{grown} KiB more after 1,000 cycles");
}
