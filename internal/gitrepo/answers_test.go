package gitrepo

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What a server answers that will not serve: each in words, with what to do about it.
func TestAnswersThatAreNoHelp(t *testing.T) {
	for name, test := range map[string]struct {
		status     int
		body, hint string
	}{
		"403":       {http.StatusForbidden, "no", "rights"},
		"429":       {http.StatusTooManyRequests, "slow down", "run less often"},
		"500":       {http.StatusInternalServerError, "oops", "fault of its own"},
		"503":       {http.StatusServiceUnavailable, "oops", "fault of its own"},
		"not git's": {http.StatusOK, "<html>hello</html>", "something else than a git server"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			}))
			defer server.Close()
			_, err := newClient(t).open(server.URL+"/r.git").FetchBranch(t.Context(), "")
			if err == nil || !strings.Contains(Hint(err), test.hint) {
				t.Errorf("got %v\nhint %q, want %q", err, Hint(err), test.hint)
			}
		})
	}
}
