package keypkg

import (
	"context"
	"time"

	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// Offer hands out one KeyPackage of each client of a user that has one, to go with the user's consent (P-CO-11). They count as handed out
// whatever becomes of them (P-KM-11). One transaction.
func (p *Packages) Offer(ctx context.Context, target uri.User) (out []wire.KeyPackage, err error) {
	now := p.cfg.Now()
	err = p.cfg.Store.Update(ctx, func(tx Tx) error {
		out = nil
		clients, _, err := tx.Clients(target)
		if err != nil {
			return err
		}
		for _, client := range clients {
			for _, id := range p.cfg.Suites.All() {
				kp, err := offerOne(tx, client, id, now)
				if err != nil {
					return err
				}
				if kp != nil {
					out = append(out, *kp)
					break
				}
			}
		}
		return nil
	})
	return out, storeError(err)
}

func offerOne(tx Tx, client uri.Client, id wire.CipherSuite, now time.Time) (*wire.KeyPackage, error) {
	list, err := tx.Available(client, id, now, candidates)
	if err != nil {
		return nil, err
	}
	for _, candidate := range list {
		taken, err := tx.Take(candidate.Ref)
		if err != nil {
			return nil, err
		}
		if taken {
			kp := new(wire.KeyPackage)
			return kp, syntax.Unmarshal(candidate.Octets, kp)
		}
	}
	return nil, nil
}
