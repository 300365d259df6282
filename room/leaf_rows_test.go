package room_test

import (
	"testing"

	"parley/mls/wire"
	"parley/room"
	"parley/syntax"
)

func TestLeafRows(t *testing.T) {
	t.Run("X-CMT-03 every leaf lists its media types", func(t *testing.T) {
		list, err := room.LeafExtensions()
		if err != nil {
			t.Fatal(err)
		}
		data, _ := list.Find(wire.AppDataDictionaryExtension)
		var d wire.AppDataDictionary
		if err := syntax.Unmarshal(data, &d); err != nil {
			t.Fatal(err)
		}
		data, ok := d.Find(wire.ContentMediaTypesComponent)
		var media wire.MediaTypeList
		if err := syntax.Unmarshal(data, &media); !ok || err != nil || string(media.Types[0].Type) != "application/mimi-content" {
			t.Errorf("%v, %v", media, err)
		}
		data, _ = d.Find(wire.AppComponentsComponent)
		var components wire.ComponentsList
		if err := syntax.Unmarshal(data, &components); err != nil || !components.Has(wire.ContentMediaTypesComponent) {
			t.Errorf("app_components: %v, %v", components, err)
		}
	})
}
