package rft

// #include "shim.h"
import "C"

import "fmt"

// HeaderVersion is the version of the header that this package was compiled with.
const HeaderVersion = C.RFT_VERSION_STRING

// LibraryVersion is the version of the library that is loaded.
func LibraryVersion() string { return C.GoString(C.rft_version_string()) }

// ABIVersion is the number of the loaded library's binary interface.
func ABIVersion() uint32 { return uint32(C.rft_abi_version()) }

// A library that does not fit would misread every struct, so nothing is opened or created with it.
var errVersion = func() error {
	if C.rft_go_check_version() == C.RFT_OK {
		return nil
	}
	return newError(ErrConfig, fmt.Sprintf("compiled with the header of %s (ABI %d), but the library loaded is %s (%d, ABI %d)",
		HeaderVersion, uint32(C.RFT_ABI_VERSION), LibraryVersion(), uint32(C.rft_version_number()), ABIVersion()))
}()
