package amalgamated

/*
#include "amg.h"
*/
import "C"

// Code says what kind of fault an Error is, as the header of the pair numbers it. Each is an error itself, for errors.Is.
type Code int32

const (
	ErrArgument    Code = C.AMG_E_ARGUMENT
	ErrMemory      Code = C.AMG_E_MEMORY
	ErrFormat      Code = C.AMG_E_FORMAT
	ErrVersion     Code = C.AMG_E_VERSION
	ErrChecksum    Code = C.AMG_E_CHECKSUM
	ErrUnsupported Code = C.AMG_E_UNSUPPORTED
	ErrShape       Code = C.AMG_E_SHAPE
	ErrFile        Code = C.AMG_E_FILE
)

// Error returns the sentence that the runtime has for a code.
func (c Code) Error() string {
	return C.GoString(C.amg_strerror(C.int32_t(c)))
}

// Error is what every failing function of this package returns: errors.As gives its Code, errors.Is compares it.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string {
	if e.Message == "" {
		return e.Code.Error()
	}
	return e.Code.Error() + ": " + e.Message
}

// Unwrap makes errors.Is(err, ErrShape) work.
func (e *Error) Unwrap() error {
	return e.Code
}

func fault(code Code, message string) error {
	return &Error{code, message}
}
