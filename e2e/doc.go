// SPDX-License-Identifier: MIT OR Apache-2.0

// Package e2e tests the whole of Sampan with real tools: cargo, musl, dockerd, containerd, podman.
//
// Its tests stand under the build tag e2e, need root and what scripts/setup installs, and fail when a tool is missing:
//
//	go test -tags e2e -count=1 ./e2e
package e2e
