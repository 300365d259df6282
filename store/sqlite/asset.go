package sqlite

import (
	"time"

	"parley/asset"
	"parley/uri"
)

// Assets is asset's part.
func (s *Store) Assets() asset.Store {
	update, view := runner(s, func(c *conn) asset.Tx { return &assetTx{c} })
	return asset.Store{Update: update, View: view}
}

type assetTx struct{ c *conn }

const selectAsset = "SELECT id, owner, size, have, created, expires FROM asset WHERE "

func assetOf(r row) (asset.Asset, error) {
	owner, err := uri.ParseUser(r.text(1))
	return asset.Asset{ID: r.text(0), Owner: owner, Size: r.uint(2), Have: r.uint(3), Created: timeOf(r.int(4)), Expires: timeOf(r.int(5))}, err
}

func (t *assetTx) Asset(id string) (asset.Asset, bool, error) {
	r, found, err := t.c.one(selectAsset+"id = ?", id)
	if err != nil || !found {
		return asset.Asset{}, false, err
	}
	a, err := assetOf(r)
	return a, err == nil, err
}

func (t *assetTx) PutAsset(a asset.Asset) error {
	_, err := t.c.exec(`INSERT INTO asset(id, owner, size, have, created, expires) VALUES(?, ?, ?, ?, ?, ?)
		ON CONFLICT(id) DO UPDATE SET have = excluded.have, expires = excluded.expires`,
		a.ID, a.Owner.String(), int64(a.Size), int64(a.Have), millis(a.Created), millis(a.Expires))
	return err
}

func (t *assetTx) DropAsset(id string) error {
	_, err := t.c.exec("DELETE FROM asset WHERE id = ?", id)
	return err
}

func (t *assetTx) Used(owner uri.User) (count int, octets uint64, err error) {
	r, _, err := t.c.one("SELECT count(*), coalesce(sum(size), 0) FROM asset WHERE owner = ?", owner.String())
	if err != nil {
		return 0, 0, err
	}
	return int(r.int(0)), r.uint(1), nil
}

func (t *assetTx) Expired(before time.Time, limit int) ([]asset.Asset, error) {
	var out []asset.Asset
	err := t.c.each(func(r row) (bool, error) {
		a, err := assetOf(r)
		out = append(out, a)
		return true, err
	}, selectAsset+"expires <= ? + 0 ORDER BY expires LIMIT ? + 0", millis(before), int64(limit))
	return out, err
}

func (t *assetTx) GatewayKeys() ([]asset.GatewayKey, error) {
	var out []asset.GatewayKey
	err := t.c.each(func(r row) (bool, error) {
		out = append(out, asset.GatewayKey{ID: uint8(r.int(0)), Since: timeOf(r.int(1)), Secret: r.octets(2)})
		return true, nil
	}, "SELECT id, since, secret FROM gateway_key WHERE place >= 0 ORDER BY place")
	return out, err
}

func (t *assetTx) PutGatewayKeys(keys []asset.GatewayKey) error {
	if _, err := t.c.exec("DELETE FROM gateway_key WHERE place >= 0"); err != nil {
		return err
	}
	for place, k := range keys {
		if _, err := t.c.exec("INSERT INTO gateway_key(place, id, since, secret) VALUES(?, ?, ?, ?)", int64(place), int64(k.ID),
			millis(k.Since), filled(k.Secret)); err != nil {
			return err
		}
	}
	return nil
}
