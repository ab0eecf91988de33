// SPDX-License-Identifier: MIT OR Apache-2.0

// Command probe is a static program that tells where it is: the engines' own test runs it. With PROBE_SERVE set it
// waits for SIGTERM and ends with 0.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	fmt.Printf("uid=%d gid=%d args=%s\n", os.Getuid(), os.Getgid(), strings.Join(os.Args[1:], ","))
	if os.Getenv("PROBE_SERVE") != "" {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		fmt.Println("serving")
		<-stop
		fmt.Println("stopping")
		return
	}
	os.Exit(len(os.Args) - 1)
}
