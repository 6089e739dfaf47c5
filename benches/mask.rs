//! Masking in place: our kernel, a byte loop, and as a limit a copy of the same length.
//!
//! The payload starts 6 bytes after an aligned address, as after the header of a short masked
//! frame.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use core::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sansocket::frame::mask;

use crate::common::{KEY, Kind};

fn masking(c: &mut Criterion) {
    let mut group = c.benchmark_group("mask");
    for len in [16, 125, 1024, 16 * 1024, 64 * 1024, 1 << 20] {
        let mut room = vec![0; len + 64];
        let first = room.as_ptr().align_offset(64) + 6;
        let data = &mut room[first..first + len];
        data.copy_from_slice(&Kind::Binary.payload(len));
        group.throughput(Throughput::BytesDecimal(len as u64));
        group.bench_function(BenchmarkId::new("sansocket", len), |b| {
            b.iter(|| mask(black_box(&mut *data), black_box(KEY)));
        });
        group.bench_function(BenchmarkId::new("bytewise", len), |b| {
            b.iter(|| bytewise(black_box(&mut *data), black_box(KEY)));
        });
        let source = data.to_vec();
        group.bench_function(BenchmarkId::new("copy", len), |b| {
            b.iter(|| black_box(&mut *data).copy_from_slice(black_box(&source)));
        });
    }
    group.finish();
}

fn bytewise(data: &mut [u8], key: [u8; 4]) {
    for (i, byte) in data.iter_mut().enumerate() {
        *byte ^= key[i % 4];
    }
}

criterion_group! { name = benches; config = common::criterion(); targets = masking }
criterion_main!(benches);
