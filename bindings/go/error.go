package rft

// #include "shim.h"
//
// #cgo noescape rft_error_code
// #cgo nocallback rft_error_code
import "C"

import (
	"fmt"
	"strings"
)

// Error is what a call of the library failed with. errors.Is(err, rft.ErrBusy) compares its code.
type Error struct {
	// Code tells what kind of error it is.
	Code Code
	// Leader is the node to ask instead, with ErrNotLeader; 0 when it is unknown.
	Leader uint64
	// Message tells what went wrong, with names and numbers.
	Message string

	retryable, fatal bool
	cause            error
}

// Error tells code and message.
func (e *Error) Error() string {
	text := "rft: " + strings.TrimSuffix(e.Message, ".")
	if e.cause != nil {
		return fmt.Sprintf("%s: %v", text, e.cause)
	}
	return text
}

// Unwrap gives the code, and what lies behind it: the context's error, or what the state machine returned.
func (e *Error) Unwrap() []error {
	if e.cause != nil {
		return []error{e.Code, e.cause}
	}
	return []error{e.Code}
}

// Retryable says whether the same call may succeed later and had no effect now.
func (e *Error) Retryable() bool { return e.retryable }

// Fatal says whether what failed will never work again. What is left is to close it. It is false of a snapshot that
// failed in an engine that goes on.
func (e *Error) Fatal() bool { return e.fatal }

// PanicError is a panic of the state machine, which has stopped the engine.
type PanicError struct {
	// Value is what was given to panic.
	Value any
	// Stack is the goroutine's stack at that moment.
	Stack []byte
}

// Error tells the value; the stack is in its field.
func (e *PanicError) Error() string {
	return fmt.Sprintf("panic in a callback: %v", e.Value)
}

// Unwrap gives the value if it is an error: what panic(err) was given, or one of the runtime's.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// newError makes the error of a code that came without an error object.
func newError(code Code, message string) *Error {
	if message == "" {
		message = code.Error()
	}
	return &Error{Code: code, Message: message, retryable: code.Retryable(), fatal: code.Fatal()}
}

// failure makes the error of a call, and frees the library's own.
func failure(status C.rft_status_t, object *C.rft_error_t) error {
	if status == C.RFT_OK {
		return nil
	}
	if object == nil {
		return newError(Code(status), "")
	}
	defer C.rft_error_free(object)
	return &Error{
		Code:      Code(C.rft_error_code(object)),
		Leader:    uint64(C.rft_error_leader(object)),
		Message:   C.GoString(C.rft_error_message(object)),
		retryable: C.rft_error_is_retryable(object) != 0,
		fatal:     C.rft_error_is_fatal(object) != 0,
	}
}
