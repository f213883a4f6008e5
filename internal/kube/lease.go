package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// LeaseDuration is how long a holder that was killed keeps others out.
const LeaseDuration = 30 * time.Second

// Lease lets one run at a time write: the Lease object beside an inventory. Times in it are the
// API server's, read off its answers, so that clocks which differ do no harm.
type Lease struct {
	client          *Client
	namespace, name string

	// Holder names this run, and is different for every run.
	Holder string
	// Now is the local clock.
	Now func() time.Time
	// Duration is [LeaseDuration] when zero. It is a multiple of a second.
	Duration time.Duration
	// Patience is how long to wait for another holder.
	Patience time.Duration
	// Waiting, where set, is told once whom it waits for.
	Waiting func(*LockedError)
}

// LockedError says that another run holds the lease.
type LockedError struct {
	Lease  string // for people
	Holder string
	Until  time.Time // when it expires unless it is renewed
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s is held by %s, until %s unless renewed", e.Lease, e.Holder, e.Until.UTC().Format(time.RFC3339))
}

// ErrLostLease ends the context of a run whose lease somebody else took, or that could not be
// renewed in time.
var ErrLostLease = errors.New("the lease was lost")

// leaseObject is a Lease of coordination.k8s.io/v1, as far as it is ours to write.
type leaseObject struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   configMapMetadata `json:"metadata"`
	Spec       leaseSpec         `json:"spec"`
}

type leaseSpec struct {
	HolderIdentity       string     `json:"holderIdentity"`
	LeaseDurationSeconds int        `json:"leaseDurationSeconds"`
	AcquireTime          *microTime `json:"acquireTime,omitempty"`
	RenewTime            *microTime `json:"renewTime,omitempty"`
	LeaseTransitions     int        `json:"leaseTransitions"`
}

// microTime is a time as the API writes it, with six digits after the point.
type microTime struct{ time.Time }

func (t microTime) MarshalJSON() ([]byte, error) {
	return []byte(t.UTC().Format(`"2006-01-02T15:04:05.000000Z07:00"`)), nil
}

// HeldLease is a lease in our hands. It renews itself until it is released.
type HeldLease struct {
	lease  *Lease
	object leaseObject
	stop   context.CancelFunc
	done   chan struct{}
	lost   context.CancelCauseFunc
	// Waited says that another run had it in between: what was read before is old.
	Waited bool
}

func (l *Lease) String() string { return "Lease/" + l.namespace + "/" + l.name }

func (l *Lease) duration() time.Duration {
	if l.Duration == 0 {
		return LeaseDuration
	}
	return l.Duration
}

func (l *Lease) now() time.Time { return l.client.now(l.Now()) }

// Acquire takes the lease, or fails with a [*LockedError] once its patience is at an end. The context
// that it returns ends with [ErrLostLease] if the lease is lost.
func (l *Lease) Acquire(ctx context.Context) (context.Context, *HeldLease, error) {
	leased, held, err := l.acquire(ctx)
	var locked *LockedError
	if l.Patience <= 0 || !errors.As(err, &locked) {
		return leased, held, err
	}
	if l.Waiting != nil {
		l.Waiting(locked)
	}
	for patience := time.After(l.Patience); errors.As(err, &locked); {
		select {
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		case <-patience:
			return nil, nil, err
		case <-time.After(min(time.Second, l.Patience/4)):
		}
		leased, held, err = l.acquire(ctx)
	}
	if err == nil {
		held.Waited = true
	}
	return leased, held, err
}

// acquire tries once.
func (l *Lease) acquire(ctx context.Context) (context.Context, *HeldLease, error) {
	object := leaseObject{APIVersion: "coordination.k8s.io/v1", Kind: "Lease", Metadata: configMapMetadata{Name: l.name, Namespace: l.namespace}}
	found, err := l.client.Get(ctx, leases, l.namespace, l.name, &object)
	if err != nil {
		return nil, nil, explained(err, "reading the lease "+l.String())
	}
	if held := object.Spec; found && held.HolderIdentity != "" && held.RenewTime != nil {
		until := held.RenewTime.Add(time.Duration(held.LeaseDurationSeconds) * time.Second)
		if l.now().Before(until) {
			return nil, nil, &LockedError{Lease: l.String(), Holder: held.HolderIdentity, Until: until}
		}
	}
	now := &microTime{l.now()}
	object.Spec = leaseSpec{
		HolderIdentity: l.Holder, LeaseDurationSeconds: int(l.duration() / time.Second),
		AcquireTime: now, RenewTime: now, LeaseTransitions: object.Spec.LeaseTransitions + 1,
	}
	if found {
		err = l.client.Update(ctx, leases, l.namespace, l.name, object, &object)
	} else {
		err = l.client.Create(ctx, leases, l.namespace, object, &object)
	}
	switch {
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return nil, nil, &LockedError{Lease: l.String(), Holder: "a run that was quicker", Until: l.now().Add(l.duration())}
	case apierrors.IsNotFound(err):
		return nil, nil, noNamespace(err, "taking the lease "+l.String())
	case err != nil:
		return nil, nil, explained(err, "taking the lease "+l.String())
	}
	// The renewal goes on while a stopped run settles what it has in hand.
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	ctx, lost := context.WithCancelCause(ctx)
	h := &HeldLease{lease: l, object: object, stop: stop, done: make(chan struct{}), lost: lost}
	go h.renew(renewing)
	return ctx, h, nil
}

// renew writes the lease anew three times in its duration.
func (h *HeldLease) renew(ctx context.Context) {
	defer close(h.done)
	expires := h.lease.Now().Add(h.lease.duration())
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(h.lease.duration() / 3):
		}
		began := h.lease.Now()
		// Not broken off by Release, which would then not know what it has to replace.
		err := h.write(context.WithoutCancel(ctx), h.lease.Holder)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			expires = began.Add(h.lease.duration())
		case apierrors.IsConflict(err), apierrors.IsNotFound(err), h.lease.Now().After(expires):
			h.lost(fmt.Errorf("%w: %w", ErrLostLease, err))
			return
		}
	}
}

func (h *HeldLease) write(ctx context.Context, holder string) error {
	ctx, cancel := context.WithTimeout(ctx, h.lease.duration()/3)
	defer cancel()
	next := h.object
	next.Spec.HolderIdentity = holder
	next.Spec.RenewTime = &microTime{h.lease.now()}
	return h.lease.client.Update(ctx, leases, h.lease.namespace, h.lease.name, next, &h.object)
}

// Release gives the lease up. The object stays, without a holder: a run that may not delete
// sends no DELETE for its own sake either.
func (h *HeldLease) Release(ctx context.Context) error {
	h.stop()
	<-h.done
	h.lost(nil)
	if err := h.write(ctx, ""); err != nil && !apierrors.IsConflict(err) {
		return explained(err, "releasing the lease "+h.lease.String())
	}
	return nil
}
