// SPDX-License-Identifier: MIT OR Apache-2.0

//! Process 1 of an image with `init = true`: starts the program, hands every signal on to it, waits for orphans, and
//! ends as the program ends. The kernel keeps from process 1 every signal that it has no handler for, which is why a
//! program without one does not hear SIGTERM there; as the child of this one it does.

#![no_std]
#![no_main]

use core::ffi::{c_char, c_int, c_void};
use core::ptr::null_mut;

/// musl's sigset_t.
#[repr(C)]
struct Signals([u64; 16]);

#[link(name = "c")]
extern "C" {
    fn sigfillset(set: *mut Signals) -> c_int;
    fn sigprocmask(how: c_int, set: *const Signals, old: *mut Signals) -> c_int;
    fn sigwait(set: *const Signals, signal: *mut c_int) -> c_int;
    fn fork() -> c_int;
    fn setpgid(pid: c_int, group: c_int) -> c_int;
    fn tcsetpgrp(terminal: c_int, group: c_int) -> c_int;
    fn getpid() -> c_int;
    fn execvp(path: *const c_char, argv: *const *const c_char) -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn write(file: c_int, text: *const c_void, size: usize) -> isize;
    fn strlen(text: *const c_char) -> usize;
    fn _exit(code: c_int) -> !;
}

const SET_MASK: c_int = 2;
const NO_HANG: c_int = 1;
const CHLD: c_int = 17;
const TTIN: c_int = 21;
const TTOU: c_int = 22;

#[no_mangle]
unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    unsafe {
        if argc < 2 {
            return 64;
        }
        let mut all = Signals([0; 16]);
        let mut before = Signals([0; 16]);
        sigfillset(&mut all);
        sigprocmask(SET_MASK, &all, &mut before);
        let program = fork();
        if program < 0 {
            return 71;
        }
        if program == 0 {
            start(argv.add(1), &before);
        }
        setpgid(program, program);
        loop {
            let mut signal = 0;
            if sigwait(&all, &mut signal) != 0 || signal == TTIN || signal == TTOU {
                continue;
            }
            if signal != CHLD {
                kill(program, signal);
                continue;
            }
            let mut status = 0;
            loop {
                let ended = waitpid(-1, &mut status, NO_HANG);
                if ended <= 0 {
                    break;
                }
                if ended == program {
                    let by = status & 0x7f;
                    return if by == 0 {
                        status >> 8 & 0xff
                    } else {
                        128 + by
                    };
                }
            }
        }
    }
}

/// Becomes the program: in a process group of its own, the terminal's if there is one, so that Ctrl-C reaches it once.
unsafe fn start(argv: *const *const c_char, before: &Signals) -> ! {
    unsafe {
        setpgid(0, 0);
        tcsetpgrp(0, getpid());
        sigprocmask(SET_MASK, before, null_mut());
        execvp(*argv, argv);
        let says = b"sampan-init: cannot start ";
        write(2, says.as_ptr().cast(), says.len());
        write(2, (*argv).cast(), strlen(*argv));
        write(2, b"\n".as_ptr().cast(), 1);
        _exit(127)
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    unsafe { _exit(70) }
}
