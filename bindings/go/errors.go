package amalgamated

import "errors"

// Error returns the sentence that the header of the pair has for a code.
func (c Code) Error() string {
	if said, ok := sentences[c]; ok {
		return said
	}
	return "unknown status"
}

// Error is what every failing function of this package returns: errors.As gives its Code, errors.Is compares it.
type Error struct {
	Code    Code
	Message string

	cause error // that of a context, or nil
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

// Is makes errors.Is(err, context.Canceled) work.
func (e *Error) Is(target error) bool {
	return e.cause != nil && errors.Is(e.cause, target)
}

func fault(code Code, message string) error {
	return &Error{Code: code, Message: message}
}

func cancellation(cause error) error {
	return &Error{ErrCancelled, cause.Error(), cause}
}
