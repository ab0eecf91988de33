// SPDX-License-Identifier: MIT OR Apache-2.0

#include <stddef.h>
#include <stdint.h>

size_t bare(void) { return sizeof(uint64_t) + offsetof(struct { int a; int b; }, b); }
