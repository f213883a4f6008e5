package kube

import (
	"context"
	"fmt"
)

// Confirm lets a later run delete what the plan of this digest says. It takes the lease for it.
func (s *Store) Confirm(ctx context.Context, lease *Lease, digest string) error {
	leased, held, err := lease.Acquire(ctx)
	if err != nil {
		return err
	}
	err = s.confirm(leased, digest)
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleLimit)
	defer cancel()
	if released := held.Release(settling); err == nil {
		err = released
	}
	return err
}

func (s *Store) confirm(ctx context.Context, digest string) error {
	inv, err := s.Load(ctx)
	if err != nil {
		return err
	}
	if !inv.Exists() {
		return s.Absent()
	}
	inv.Confirmed = digest
	return s.Save(ctx, inv)
}

// Absent says that there is no such inventory.
func (s *Store) Absent() error {
	return &Error{Code: "no-inventory", Hint: "--inventory and --inventory-namespace name it; it is there once a run has changed something",
		Err: fmt.Errorf("there is no inventory %s", s)}
}
