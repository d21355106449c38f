//! What single steps of a request and of a refresh take, in time. Their instructions: `benches/instructions.rs`.

use criterion::{Criterion, criterion_group, criterion_main};

mod cases;

fn all(criterion: &mut Criterion) {
    for case in cases::all() {
        let mut run = (case.make)();
        criterion.bench_function(case.name, |bencher| bencher.iter(&mut run));
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
