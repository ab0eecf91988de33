// SPDX-License-Identifier: MIT OR Apache-2.0

#include <stdatomic.h>

static atomic_int counter;

// On arm64 a compiler may call a helper for it, __aarch64_ldadd4_acq_rel, that somebody has to link.
int count(int n) { return atomic_fetch_add(&counter, n) + n; }

// Wide arithmetic is a helper's too: __multf3.
double wide(double x) { return (double)((long double)x * 3.0L); }
