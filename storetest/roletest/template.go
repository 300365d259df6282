package roletest

import (
	"parley/mls/wire"
	"parley/policy"
	"parley/room"
	"parley/syntax"
	"parley/uri"
)

// Offer is what a hub demands of new rooms, see hub.Config.
type Offer func(at uri.Room, name string, creator uri.User, hub wire.ExternalSender) (wire.Extensions, error)

// Policy is the template with other roles or another base policy.
func Policy(change func(*policy.RoleData, *policy.BaseRoomPolicy)) Offer {
	return func(at uri.Room, name string, creator uri.User, hub wire.ExternalSender) (wire.Extensions, error) {
		extensions, err := room.Template(at, name, creator, hub)
		if err != nil {
			return nil, err
		}
		err = Components(extensions, func(d *wire.AppDataDictionary) error {
			var roles policy.RoleData
			var base policy.BaseRoomPolicy
			if err := read(d, policy.RolesComponent, &roles); err != nil {
				return err
			}
			if err := read(d, policy.BaseRoomComponent, &base); err != nil {
				return err
			}
			change(&roles, &base)
			if err := Set(d, policy.RolesComponent, &roles); err != nil {
				return err
			}
			return Set(d, policy.BaseRoomComponent, &base)
		})
		return extensions, err
	}
}

// Components changes the app_data_dictionary among the extensions.
func Components(extensions wire.Extensions, change func(*wire.AppDataDictionary) error) error {
	for i, x := range extensions {
		if x.Type != wire.AppDataDictionaryExtension {
			continue
		}
		var d wire.AppDataDictionary
		if err := syntax.Unmarshal(x.Data, &d); err != nil {
			return err
		}
		if err := change(&d); err != nil {
			return err
		}
		data, err := syntax.Marshal(&d)
		if err != nil {
			return err
		}
		extensions[i].Data = data
	}
	return nil
}

func read(d *wire.AppDataDictionary, id wire.ComponentID, v syntax.Value) error {
	data, _ := d.Find(id)
	return syntax.Unmarshal(data, v)
}

// Set gives a component a value.
func Set(d *wire.AppDataDictionary, id wire.ComponentID, v syntax.Value) error {
	data, err := syntax.Marshal(v)
	*d = d.With(id, data)
	return err
}
