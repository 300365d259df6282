package provider

import (
	"context"
	"time"
)

// checkStore reads the whole store from time to time. When it is damaged the store stops, and the process with it.
func (p *Provider) checkStore(ctx context.Context) error {
	if p.cfg.Store.Check == nil {
		return nil
	}
	ticker := time.NewTicker(p.cfg.CheckEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		start := p.cfg.Now()
		err := p.cfg.Store.Check(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			p.checked.Store(p.cfg.Now().Unix())
			p.log.Info("the store is sound", "seconds", int(p.cfg.Now().Sub(start).Seconds()))
		case p.cfg.Store.Err() != nil:
			p.log.Error("ALARM: the store is damaged; restore a backup", "error", err.Error())
			return nil // what Run returns is said by the store
		default:
			p.log.Error("the store cannot be checked", "error", err.Error())
		}
	}
}
