package asset

import (
	"context"
	"time"

	"parley/ohttp"
)

// GatewayKey is a key of the gateway as it is stored.
type GatewayKey struct {
	ID     uint8
	Since  time.Time
	Secret []byte
}

// Times of the gateway's keys (P-OH-11).
const (
	RotateKeys = 7 * 24 * time.Hour
	KeyOverlap = 48 * time.Hour // how long a replaced key is taken
)

// Keys returns the keys that the gateway takes, the one for new clients first. It makes the first one, and a new one when the last is
// old enough.
func (s *Assets) Keys(ctx context.Context) ([]*ohttp.Key, error) {
	var stored []GatewayKey
	view := func(tx Tx) (err error) {
		stored, err = tx.GatewayKeys()
		return err
	}
	if err := s.cfg.Store.View(ctx, view); err != nil {
		return nil, err
	}
	if len(stored) == 0 || s.cfg.Now().Sub(stored[0].Since) >= RotateKeys {
		if err := s.rotate(ctx); err != nil {
			return nil, err
		}
		if err := s.cfg.Store.View(ctx, view); err != nil {
			return nil, err
		}
	}
	var out []*ohttp.Key
	for n, k := range stored {
		if n > 0 && s.cfg.Now().Sub(stored[n-1].Since) >= KeyOverlap {
			break // replaced too long ago
		}
		key, err := ohttp.LoadKey(k.ID, k.Secret)
		if err != nil {
			return nil, err
		}
		out = append(out, key)
	}
	return out, nil
}

// rotate puts a new key before the last one, unless another has done so.
func (s *Assets) rotate(ctx context.Context) error {
	now := s.cfg.Now()
	fresh, err := ohttp.NewKey(0)
	if err != nil {
		return err
	}
	secret, err := fresh.Secret()
	if err != nil {
		return err
	}
	return s.cfg.Store.Update(ctx, func(tx Tx) error {
		stored, err := tx.GatewayKeys()
		if err != nil {
			return err
		}
		next := GatewayKey{Since: now, Secret: secret}
		keys := []GatewayKey{next}
		if len(stored) > 0 {
			if now.Sub(stored[0].Since) < RotateKeys {
				return nil
			}
			keys[0].ID = stored[0].ID + 1
			keys = append(keys, stored[0])
		}
		return tx.PutGatewayKeys(keys)
	})
}
