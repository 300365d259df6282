// Package state is the form in which MLS values give their changes to whoever stores them.
//
// Nothing in mls calls storage. Every step that changes a value returns the records to write; the caller writes them in its own
// transaction, beside whatever else belongs to that step, before anything that the step made leaves the process (mls.md §9.9).
package state

// Record is one key of a value's saved form. Keys are short printable texts, unique within one value.
type Record struct {
	Key   string
	Value []byte // nil deletes the key
}

// Delta is a set of changes in no particular order, each key at most once.
type Delta []Record

// Put adds a change that writes a value.
func (d *Delta) Put(key string, value []byte) {
	if value == nil {
		value = []byte{}
	}
	*d = append(*d, Record{key, value})
}

// Delete adds a change that removes a key.
func (d *Delta) Delete(key string) { *d = append(*d, Record{Key: key}) }
