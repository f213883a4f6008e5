package kubetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startLimit bounds the wait for a cluster: 4 s on an idle machine.
const startLimit = 2 * time.Minute

// Options say how a cluster is started. The zero value is a cluster that dies with its parent.
type Options struct {
	// Dir is the state directory; empty: a temporary one. A directory that was used before
	// brings the same cluster back. Unless Keep is set it is removed when the cluster stops.
	Dir string
	// Bind is the loopback address of the API server; empty: any free port.
	Bind string
	// Keep lets the cluster run on when this process ends. [Cluster.PID] tells whom to stop.
	Keep bool
	// Without leaves out parts: "controllers", "scheduler", "node".
	Without []string
	// Log is told about a build; nil: nobody.
	Log io.Writer
}

// Cluster is a running control plane.
type Cluster struct {
	// Kubeconfig is the path of a kubeconfig with every right.
	Kubeconfig string
	// Dir is the state directory: kubebox.log and audit.jsonl are in it.
	Dir string
	// PID is the control plane's process.
	PID int

	command *exec.Cmd
	stdin   io.Closer
	exited  chan struct{}
	exit    error
	client  *client
	marks   int
	mu      sync.Mutex
}

// Start builds kubebox if needed, starts it, and returns when the cluster is usable.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	binary, err := Build(ctx, o.Log)
	if err != nil {
		return nil, err
	}
	dir := o.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "kubebox-"); err != nil {
			return nil, err
		}
	}
	c := &Cluster{Dir: dir, exited: make(chan struct{})}
	if err := c.launch(ctx, binary, o); err != nil {
		if !o.Keep {
			os.RemoveAll(dir)
		}
		return nil, fmt.Errorf("starting kubebox: %w", err)
	}
	return c, nil
}

func (c *Cluster) launch(ctx context.Context, binary string, o Options) error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(c.Dir, "kubebox.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	arguments := []string{"-dir", c.Dir, "-audit", c.auditFile()}
	if o.Bind != "" {
		arguments = append(arguments, "-bind", o.Bind)
	}
	if len(o.Without) > 0 {
		arguments = append(arguments, "-without", strings.Join(o.Without, ","))
	}
	if !o.Keep {
		arguments = append(arguments, "-ephemeral")
	}
	c.command = exec.Command(binary, arguments...)
	c.command.Stderr = log
	// A Ctrl-C at the terminal is for us alone: we stop the cluster when we are done with it.
	c.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if !o.Keep {
		if c.stdin, err = c.command.StdinPipe(); err != nil {
			return err
		}
	}
	// Not StdoutPipe: its reader must be done before Wait is called.
	stdout, told, err := os.Pipe()
	if err != nil {
		return err
	}
	c.command.Stdout = told
	err = c.command.Start()
	told.Close()
	if err != nil {
		stdout.Close()
		return err
	}
	c.PID = c.command.Process.Pid
	go func() {
		c.exit = c.command.Wait()
		close(c.exited)
	}()
	if err := c.waitUsable(ctx, stdout); err != nil {
		tail := c.logTail()
		c.Stop()
		return fmt.Errorf("%w\n%s", err, tail)
	}
	c.client, err = newClient(c.Kubeconfig)
	return err
}

// waitUsable reads the one line that kubebox prints.
func (c *Cluster) waitUsable(ctx context.Context, stdout io.ReadCloser) error {
	line := make(chan string, 1)
	go func() {
		defer stdout.Close()
		text, _ := bufio.NewReader(stdout).ReadString('\n')
		line <- strings.TrimSpace(text)
	}()
	select {
	case c.Kubeconfig = <-line:
		if c.Kubeconfig == "" {
			return errors.New("it ended before the cluster was usable")
		}
		return nil
	case <-time.After(startLimit):
		return fmt.Errorf("not usable after %v", startLimit)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop ends the control plane in order and waits for it. A state directory that is not kept
// is gone afterwards.
func (c *Cluster) Stop() error {
	if c.stdin != nil {
		c.stdin.Close()
	}
	c.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.exited:
		return c.exit
	case <-time.After(20 * time.Second):
		c.command.Process.Kill()
		<-c.exited
		return errors.New("stopping kubebox: killed after 20 s")
	}
}

// logTail is the end of the control plane's log, for a failure's message.
func (c *Cluster) logTail() string {
	content, _ := os.ReadFile(filepath.Join(c.Dir, "kubebox.log"))
	if len(content) > 2000 {
		content = content[len(content)-2000:]
	}
	return string(content)
}
