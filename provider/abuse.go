package provider

import (
	"context"

	"parley/mimi"
	"parley/uri"
)

func (s *service) ReportAbuse(context.Context, uri.Room, *mimi.AbuseReport) error {
	return errNotOffered
}
