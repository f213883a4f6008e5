package gitrepo

import (
	"errors"
	"strings"
)

// What a caller may want to tell apart with errors.Is.
var (
	// ErrMoved says that the remote's branch is no longer where the push expected it: fetch
	// again and redo.
	ErrMoved = errors.New("the remote branch has moved")
	// ErrRejected says that the server refused a push although the branch had not moved.
	ErrRejected = errors.New("the server rejected the push")
	// ErrNotFound says that a path, a branch, a ref or a revision does not exist.
	ErrNotFound = errors.New("not found")
	// ErrLocked says that another process held the store's lock until the context ended.
	ErrLocked = errors.New("the mirror is locked by another process")
	// ErrTooLarge says that an object is over the size that the caller allowed.
	ErrTooLarge = errors.New("too large")
)

// Codes are the values of [Code], for programs. Others may be added.
const (
	CodeBadURL      = "bad-url"
	CodeBadKey      = "bad-credential"
	CodeUnreachable = "unreachable"
	CodeTimeout     = "timeout"
	CodeAuth        = "unauthorized"
	CodeHostKey     = "host-key"
	CodeNotFound    = "not-found"
	CodeEmpty       = "empty-repository"
	CodeMirror      = "bad-mirror"
	CodeMoved       = "moved"
	CodeRejected    = "rejected"
	CodeGit         = "git-failed"
)

// fault is an error with a code and a hint. Its text is scrubbed when it is made; the cause
// underneath may hold a credential, so it answers errors.Is and is never handed out.
type fault struct {
	code, text, hint string
	cause            error
}

func (f *fault) Error() string { return f.text }

func (f *fault) Is(target error) bool { return errors.Is(f.cause, target) }

// Code returns the stable word for what err says, CodeGit for an error that has none.
func Code(err error) string {
	var f *fault
	if errors.As(err, &f) && f.code != "" {
		return f.code
	}
	return CodeGit
}

// Hint returns what to do about err, or nothing.
func Hint(err error) string {
	var f *fault
	if errors.As(err, &f) {
		return f.hint
	}
	return ""
}

func newFault(code, text, hint string) *fault {
	return &fault{code: code, text: text, hint: hint}
}

// scrubber takes credentials and rewritten addresses out of other people's messages.
type scrubber struct {
	secrets []string
	// rewritten is the address that is really used, shown the one that was configured.
	rewritten, shown string
}

// clean returns text on one line without credentials.
func (s *scrubber) clean(text string) string {
	if s.rewritten != "" && s.rewritten != s.shown {
		text = strings.ReplaceAll(text, s.rewritten, s.shown)
	}
	for _, secret := range s.secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return oneLine(withoutUserinfo(text))
}

// withoutUserinfo cuts name:password@ out of every address in text.
func withoutUserinfo(text string) string {
	var b strings.Builder
	for {
		i := strings.Index(text, "://")
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:i+3])
		text = text[i+3:]
		end := strings.IndexAny(text, "/ \t\r\n\"'?#")
		if end < 0 {
			end = len(text)
		}
		if at := strings.LastIndexByte(text[:end], '@'); at >= 0 {
			if strings.Contains(text[:at], ":") {
				b.WriteString("***@")
				text = text[at+1:]
			}
		}
	}
}

func oneLine(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	kept := lines[:0]
	for _, l := range lines {
		if l = strings.TrimSpace(l); l != "" {
			kept = append(kept, l)
		}
	}
	return strings.Join(kept, "; ")
}
