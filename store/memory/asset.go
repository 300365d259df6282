package memory

import (
	"cmp"
	"slices"
	"time"

	"parley/asset"
	"parley/uri"
)

// files is the part of state that knows the users' files.
type files struct {
	assets map[string]asset.Asset
	keys   map[int][]asset.GatewayKey // under 0
}

func newFiles() files {
	return files{assets: make(map[string]asset.Asset), keys: make(map[int][]asset.GatewayKey)}
}

// Assets is asset's part.
func (s *Store) Assets() asset.Store {
	update, view := runner(s, func(t *tx) asset.Tx { return &assetTx{t} })
	return asset.Store{Update: update, View: view}
}

type assetTx struct{ *tx }

func (t *assetTx) Asset(id string) (asset.Asset, bool, error) {
	a, found := t.files.assets[id]
	return a, found, nil
}

func (t *assetTx) PutAsset(a asset.Asset) error { return put(t.tx, t.files.assets, a.ID, a) }
func (t *assetTx) DropAsset(id string) error    { return drop(t.tx, t.files.assets, id) }

func (t *assetTx) Used(owner uri.User) (count int, octets uint64, err error) {
	for _, a := range t.files.assets {
		if a.Owner == owner {
			count, octets = count+1, octets+a.Size
		}
	}
	return count, octets, nil
}

func (t *assetTx) Expired(before time.Time, limit int) ([]asset.Asset, error) {
	var out []asset.Asset
	for _, id := range sortedBy(t.files.assets, cmp.Compare[string]) {
		if a := t.files.assets[id]; !a.Expires.After(before) {
			out = append(out, a)
		}
	}
	slices.SortStableFunc(out, func(a, b asset.Asset) int { return a.Expires.Compare(b.Expires) })
	return out[:min(limit, len(out))], nil
}

func (t *assetTx) GatewayKeys() ([]asset.GatewayKey, error) {
	return slices.Clone(t.files.keys[0]), nil
}

func (t *assetTx) PutGatewayKeys(keys []asset.GatewayKey) error {
	return put(t.tx, t.files.keys, 0, slices.Clone(keys))
}
