//go:build !rft_static

package rft

// #cgo pkg-config: rft
import "C"
