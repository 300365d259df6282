package provider

import (
	"context"

	"parley/mimi"
)

func (s *service) RequestConsent(context.Context, *mimi.ConsentEntry) error { return errNotOffered }

func (s *service) UpdateConsent(context.Context, *mimi.ConsentEntry) error { return errNotOffered }

// errNotOffered answers for endpoints that the directory does not name.
var errNotOffered = mimi.Errorf(mimi.NotFound, "no such endpoint")
