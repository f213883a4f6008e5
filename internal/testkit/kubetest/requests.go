package kubetest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Request is one request that the API server has answered.
type Request struct {
	Verb        string // get, list, watch, create, update, patch, delete, deletecollection
	Group       string
	Resource    string // empty for a path that is no resource, such as /apis
	Subresource string
	Namespace   string
	Name        string
	DryRun      bool
	Agent       string // user agent
	User        string
	Code        int
	URI         string
}

// String is verb, resource and status, for a failure's message.
func (r Request) String() string { return fmt.Sprintf("%s %s: %d", r.Verb, r.URI, r.Code) }

// Write says whether the request could have changed anything.
func (r Request) Write() bool {
	return !r.DryRun && slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, r.Verb)
}

// Mark is a moment in the log of requests.
type Mark int64

func (c *Cluster) auditFile() string { return filepath.Join(c.Dir, "audit.jsonl") }

// Mark returns the present moment: every request that was answered before is behind it.
func (c *Cluster) Mark(ctx context.Context) (Mark, error) {
	_, end, err := c.readTo(ctx, Mark(c.size()), false)
	return end, err
}

// Since returns the requests that were answered since the mark, of clients whose user agent
// starts with agent, in the order of their answers.
func (c *Cluster) Since(ctx context.Context, mark Mark, agent string) ([]Request, error) {
	all, _, err := c.readTo(ctx, mark, true)
	return slices.DeleteFunc(all, func(r Request) bool { return !strings.HasPrefix(r.Agent, agent) }), err
}

// readTo sends a request that can be told from all others and reads the log up to it. The log
// is written before the answer leaves, yet not by a promise of the API server's.
func (c *Cluster) readTo(ctx context.Context, from Mark, parse bool) ([]Request, Mark, error) {
	c.mu.Lock()
	c.marks++
	agent := fmt.Sprintf("kubetest-mark-%d-%d", os.Getpid(), c.marks)
	c.mu.Unlock()
	if _, _, err := c.client.do(ctx, http.MethodGet, "/version", "", agent, nil); err != nil {
		return nil, 0, fmt.Errorf("marking the log of requests: %w", err)
	}
	needle := []byte(`"userAgent":"` + agent + `"`)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		log, err := readFrom(c.auditFile(), int64(from))
		if err != nil {
			return nil, 0, err
		}
		if at := bytes.Index(log, needle); at >= 0 {
			if end := bytes.IndexByte(log[at:], '\n'); end >= 0 {
				end += at + 1
				var requests []Request
				if parse {
					requests, err = parseLog(log[:end], agent)
				}
				return requests, from + Mark(end), err
			}
		}
	}
	return nil, 0, fmt.Errorf("reading the log of requests: no mark after 10 s")
}

func readFrom(file string, offset int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(f)
}

// parseLog reads lines of the audit log, without the mark itself.
func parseLog(log []byte, mark string) ([]Request, error) {
	var requests []Request
	lines := bufio.NewScanner(bytes.NewReader(log))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Verb       string `json:"verb"`
			RequestURI string `json:"requestURI"`
			UserAgent  string `json:"userAgent"`
			User       struct {
				Username string `json:"username"`
			} `json:"user"`
			ObjectRef struct {
				APIGroup    string `json:"apiGroup"`
				Resource    string `json:"resource"`
				Subresource string `json:"subresource"`
				Namespace   string `json:"namespace"`
				Name        string `json:"name"`
			} `json:"objectRef"`
			ResponseStatus struct {
				Code int `json:"code"`
			} `json:"responseStatus"`
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("reading the log of requests: %w", err)
		}
		if event.UserAgent == mark {
			continue
		}
		requests = append(requests, Request{
			Verb: event.Verb, Group: event.ObjectRef.APIGroup, Resource: event.ObjectRef.Resource,
			Subresource: event.ObjectRef.Subresource, Namespace: event.ObjectRef.Namespace, Name: event.ObjectRef.Name,
			DryRun: strings.Contains(event.RequestURI, "dryRun=All"), Agent: event.UserAgent,
			User: event.User.Username, Code: event.ResponseStatus.Code, URI: event.RequestURI,
		})
	}
	return requests, lines.Err()
}

// size is how long the log is now; the next mark comes behind it.
func (c *Cluster) size() int64 {
	info, err := os.Stat(c.auditFile())
	if err != nil {
		return 0
	}
	return info.Size()
}
