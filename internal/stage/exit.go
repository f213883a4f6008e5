package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// The exit codes, the same for all six programs.
const (
	CodeDone    = 0 // nothing failed
	CodeFailed  = 1
	CodeUsage   = 2 // flags, arguments, input that is not a stream
	CodeChanges = 3 // only with --exit-code on a dry run: there are changes
	CodeRefused = 4 // refused or held back for safety
	CodePartly  = 5 // some records failed, or the stream came truncated or failed from upstream
	CodeLocked  = 7 // another run holds the lock
)

// Error is a failure with its exit code, a word for programs and a hint for people.
type Error struct {
	Exit int    // exit code
	Word string // the code of the error record
	Hint string
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Usage is wrong use: exit code 2.
func Usage(err error) error { return &Error{Exit: CodeUsage, Word: "usage", Err: err} }

// Usagef is [Usage] with a message.
func Usagef(format string, args ...any) error { return Usage(fmt.Errorf(format, args...)) }

// Refused is a refusal for safety: exit code 4.
func Refused(err error) error { return &Error{Exit: CodeRefused, Word: "refused", Err: err} }

// Locked says that another run holds the lock: exit code 7.
func Locked(err error) error { return &Error{Exit: CodeLocked, Word: "locked", Err: err} }

// WithHint adds what to do about it.
func WithHint(err error, hint string) error {
	wrapped := describe(err)
	wrapped.Hint, wrapped.Err = hint, err
	return &wrapped
}

// describe finds exit code, word and hint of an error.
func describe(err error) Error {
	var known *Error
	if errors.As(err, &known) {
		return Error{Exit: known.Exit, Word: known.Word, Hint: known.Hint, Err: err}
	}
	return Error{Exit: CodeFailed, Word: "failed", Err: err}
}

// signalError is why a context ended: a signal came.
type signalError struct{ signal os.Signal }

func (e signalError) Error() string { return "stopped by signal: " + e.signal.String() }

// timeoutError is why a context ended: --timeout passed.
type timeoutError struct{ limit fmt.Stringer }

func (e timeoutError) Error() string { return fmt.Sprintf("not done within %s", e.limit) }

// ended replaces the error of a run whose context ended by the reason for which it did.
func ended(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	var bySignal signalError
	var byTimeout timeoutError
	switch {
	case errors.As(cause, &bySignal):
		return &Error{Exit: 128 + int(bySignal.signal.(syscall.Signal)), Word: "interrupted", Err: bySignal}
	case err != nil && errors.As(cause, &byTimeout):
		return &Error{Exit: CodeFailed, Word: "timeout", Hint: "--timeout sets the limit", Err: fmt.Errorf("%w: %w", byTimeout, err)}
	}
	return err
}
