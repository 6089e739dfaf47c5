//! The C library.

#![allow(
    unsafe_code,
    clippy::multiple_unsafe_ops_per_block,
    clippy::expect_used,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    reason = "it is C; a call and what it has left in the stream belong together"
)]

use core::ffi::{c_int, c_uint, c_void};
use core::mem::size_of;
use core::ptr;
use std::alloc::{Layout, alloc, dealloc};

use libz_sys as z;

use super::{Flush, Refused, Step, Strategy};

/// A compressor of raw deflate.
pub struct Deflater(Box<z::z_stream>);

/// An inflater of raw deflate.
pub struct Inflater(Box<z::z_stream>);

impl Deflater {
    /// Level 1 to 9, `window_bits` 9 to 15, with the default memory of zlib.
    pub fn new(level: i32, window_bits: u8) -> Self {
        Self::with_strategy(level, window_bits, 8, Strategy::Default)
    }

    pub fn with_strategy(level: i32, window_bits: u8, mem_level: i32, strategy: Strategy) -> Self {
        let strategy = match strategy {
            Strategy::Default => z::Z_DEFAULT_STRATEGY,
            Strategy::Filtered => z::Z_FILTERED,
            Strategy::Fixed => z::Z_FIXED,
            Strategy::HuffmanOnly => z::Z_HUFFMAN_ONLY,
            Strategy::Rle => z::Z_RLE,
        };
        let mut stream = stream();
        // SAFETY: the stream is initialised except for its state, which this call allocates.
        let status = unsafe {
            z::deflateInit2_(
                &raw mut *stream,
                level,
                z::Z_DEFLATED,
                -c_int::from(window_bits),
                mem_level,
                strategy,
                z::zlibVersion(),
                size_of::<z::z_stream>() as c_int,
            )
        };
        assert_eq!(status, z::Z_OK);
        Self(stream)
    }

    /// Compresses all of `input`; returns the length of the output, which must have room for it.
    pub fn compress(&mut self, input: &[u8], out: &mut [u8], flush: Flush) -> usize {
        let flush = match flush {
            Flush::Sync => z::Z_SYNC_FLUSH,
            Flush::Full => z::Z_FULL_FLUSH,
            Flush::Finish => z::Z_FINISH,
        };
        let stream = &mut *self.0;
        point(stream, input, out);
        // SAFETY: the stream was made by `deflateInit2_` and points to live slices.
        let status = unsafe { z::deflate(&raw mut *stream, flush) };
        // A second flush without input has no output, which zlib reports as an error.
        assert!(matches!(status, z::Z_OK | z::Z_STREAM_END | z::Z_BUF_ERROR), "{status}");
        assert!(stream.avail_in == 0 && stream.avail_out > 0, "no room");
        out.len() - stream.avail_out as usize
    }

    pub fn reset(&mut self) {
        // SAFETY: the stream was made by `deflateInit2_`.
        assert_eq!(unsafe { z::deflateReset(&raw mut *self.0) }, z::Z_OK);
    }
}

impl Drop for Deflater {
    fn drop(&mut self) {
        // SAFETY: the stream was made by `deflateInit2_` and is not used afterwards.
        unsafe { z::deflateEnd(&raw mut *self.0) };
    }
}

impl Inflater {
    /// `window_bits` 8 to 15.
    pub fn new(window_bits: u8) -> Self {
        let mut stream = stream();
        // SAFETY: the stream is initialised except for its state, which this call allocates.
        let status = unsafe {
            z::inflateInit2_(
                &raw mut *stream,
                -c_int::from(window_bits),
                z::zlibVersion(),
                size_of::<z::z_stream>() as c_int,
            )
        };
        assert_eq!(status, z::Z_OK);
        Self(stream)
    }

    /// Inflates until the input or the room is used up, or a last block has ended.
    ///
    /// Distances are checked against the window only beyond the output of this call: room of a few
    /// bytes makes it strict.
    pub fn inflate(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, Refused> {
        let stream = &mut *self.0;
        point(stream, input, out);
        // SAFETY: the stream was made by `inflateInit2_` and points to live slices.
        let status = unsafe { z::inflate(&raw mut *stream, z::Z_SYNC_FLUSH) };
        let step = Step {
            read: input.len() - stream.avail_in as usize,
            written: out.len() - stream.avail_out as usize,
            ended: status == z::Z_STREAM_END,
        };
        match status {
            z::Z_OK | z::Z_STREAM_END | z::Z_BUF_ERROR => Ok(step),
            z::Z_DATA_ERROR => Err(Refused),
            _ => panic!("zlib's status is {status}"),
        }
    }

    pub fn reset(&mut self) {
        // SAFETY: the stream was made by `inflateInit2_`.
        assert_eq!(unsafe { z::inflateReset(&raw mut *self.0) }, z::Z_OK);
    }
}

impl Drop for Inflater {
    fn drop(&mut self) {
        // SAFETY: the stream was made by `inflateInit2_` and is not used afterwards.
        unsafe { z::inflateEnd(&raw mut *self.0) };
    }
}

fn stream() -> Box<z::z_stream> {
    Box::new(z::z_stream {
        next_in: ptr::null_mut(),
        avail_in: 0,
        total_in: 0,
        next_out: ptr::null_mut(),
        avail_out: 0,
        total_out: 0,
        msg: ptr::null_mut(),
        state: ptr::null_mut(),
        zalloc: allocate,
        zfree: free,
        opaque: ptr::null_mut(),
        data_type: 0,
        adler: 0,
        reserved: 0,
    })
}

fn point(stream: &mut z::z_stream, input: &[u8], out: &mut [u8]) {
    stream.next_in = input.as_ptr().cast_mut();
    stream.avail_in = c_uint::try_from(input.len()).expect("short enough");
    stream.next_out = out.as_mut_ptr();
    stream.avail_out = c_uint::try_from(out.len()).expect("short enough");
}

/// The length is stored in front of each allocation, since `free` has no length argument.
const HEADER: usize = 16;

/// From the Rust allocator, so that a counting one counts it.
unsafe extern "C" fn allocate(_: *mut c_void, count: c_uint, size: c_uint) -> *mut c_void {
    let len = count as usize * size as usize + HEADER;
    let layout = Layout::from_size_align(len, HEADER).expect("small enough");
    // SAFETY: the layout is not empty, and its first bytes have room for the length.
    unsafe {
        let start = alloc(layout);
        if start.is_null() {
            return ptr::null_mut();
        }
        start.cast::<usize>().write(len);
        start.add(HEADER).cast()
    }
}

unsafe extern "C" fn free(_: *mut c_void, memory: *mut c_void) {
    // SAFETY: zlib returns an allocation of `allocate`, which begins with its length.
    unsafe {
        let start = memory.cast::<u8>().sub(HEADER);
        let len = start.cast::<usize>().read();
        dealloc(start, Layout::from_size_align(len, HEADER).expect("as it was made"));
    }
}
