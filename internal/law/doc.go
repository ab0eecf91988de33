// SPDX-License-Identifier: MIT OR Apache-2.0

// Package law holds the rules of the house as tests: who may import whom, what may be called where, how long things are.
package law
