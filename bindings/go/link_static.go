//go:build rft_static

package rft

// #cgo CFLAGS: -I${SRCDIR}/lib/include -DRFT_STATIC
// #cgo linux,amd64 LDFLAGS: ${SRCDIR}/lib/linux_amd64/librft.a
// #cgo linux,arm64 LDFLAGS: ${SRCDIR}/lib/linux_arm64/librft.a
// #cgo linux LDFLAGS: -lgcc_s -lpthread -lm -ldl
import "C"
