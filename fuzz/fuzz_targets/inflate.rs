#![no_main]

#[path = "../src/deflate.rs"]
mod deflate;

libfuzzer_sys::fuzz_target!(|data: &[u8]| deflate::inflate::check(data));
