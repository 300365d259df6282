package api

// Lanes tells how a room stands with other providers, as its hub knows it. Providers that are not listed have taken everything.
type Lanes struct {
	Lanes []Lane `json:"lanes"`
}

// Lane is one provider that has not taken everything. Times are milliseconds since 1970.
type Lane struct {
	Provider string   `json:"provider"` // domain
	Oldest   uint64   `json:"oldest"`   // acceptance time of the first item that was not taken; 0: nothing waits
	Tries    int      `json:"tries"`    // how often what waits was tried
	Next     uint64   `json:"next"`     // when it is tried again; 0: not before an operator acts, or at once
	Refused  []uint64 `json:"refused"`  // acceptance times of items that the provider refused for good
}
