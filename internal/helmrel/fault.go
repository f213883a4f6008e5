package helmrel

import (
	"errors"
	"strings"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/kube"
)

// Fault is a failure with a word for programs and, where there is something to do, a hint for people.
type Fault struct {
	Code string
	Hint string
	Err  error
}

func (f *Fault) Error() string { return f.Err.Error() }

func (f *Fault) Unwrap() error { return f.Err }

// Explain finds the most telling code and hint of an error. The code is never empty.
func Explain(err error) (code, hint string) {
	code = "failed"
	var fault *Fault
	if errors.As(err, &fault) {
		code, hint = fault.Code, fault.Hint
	}
	if code, hint := chartFault(err); code != "" {
		return code, hint
	}
	var known *kube.Error
	switch {
	case errors.Is(err, ErrRefused) && strings.Contains(err.Error(), "not encrypted"):
		return "refused-url", "use https; --insecure-host HOST allows http to one host"
	case errors.Is(err, ErrRefused):
		return "refused-url", hint
	case errors.As(err, &known):
		return known.Code, known.Hint
	case hint == "" && gitrepo.Hint(err) != "":
		return code, gitrepo.Hint(err)
	case hint == "" && err != nil:
		return code, helmHint(err.Error())
	}
	return code, hint
}

// helmHint is what to do about the failures of Helm that people meet most. Helm passes them on as text.
func helmHint(text string) string {
	switch {
	case strings.Contains(text, "namespaces \"") && strings.Contains(text, "not found"):
		return "make the namespace first: kapply does where it is in the stream"
	case strings.Contains(text, "cannot be imported into the current release"):
		return "the object was made by somebody else: delete it, or label and annotate it as Helm's message says"
	case strings.Contains(text, "no matches for kind"):
		return "the cluster does not serve this kind at this version: apply its CustomResourceDefinition first, or take a chart that asks for a newer version"
	case strings.Contains(text, "immutable"):
		return "the field cannot be changed in place: change it back, or delete the object so that the next upgrade makes it anew"
	case strings.Contains(text, "timed out waiting"), strings.Contains(text, "context deadline exceeded"):
		return "the release's objects did not become ready in spec.timeout seconds; look at their pods"
	}
	return ""
}
