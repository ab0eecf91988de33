// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main
import "os"
func main(){ if len(os.Args)>2 && os.Args[1]==peakWord { os.Exit(peakOf(os.Args[2:])) } }
