package mimi

// Endpoint is one entry of a provider's directory (§5.1).
type Endpoint uint8

// The endpoints in the order of the draft.
const (
	KeyMaterial Endpoint = iota
	Update
	Notify
	SubmitMessage
	GroupInfo
	RequestConsent
	UpdateConsent
	IdentifierQuery
	ReportAbuse
	ProxyDownload
	endpoints
)

// EndpointInfo says how an endpoint is addressed.
type EndpointInfo struct {
	Member   string // its member of the directory
	Method   string // of HTTP
	Variable string // the variable that our own directory puts in the URL; others may call it anything
}

// Info describes the endpoint.
func (e Endpoint) Info() EndpointInfo {
	table := [endpoints]EndpointInfo{
		KeyMaterial:     {"keyMaterial", "POST", "targetUser"},
		Update:          {"update", "POST", "roomId"},
		Notify:          {"notify", "POST", "roomId"},
		SubmitMessage:   {"submitMessage", "POST", "roomId"},
		GroupInfo:       {"groupInfo", "POST", "roomId"},
		RequestConsent:  {"requestConsent", "POST", "targetDomain"},
		UpdateConsent:   {"updateConsent", "POST", "requesterDomain"},
		IdentifierQuery: {"identifierQuery", "POST", "domain"},
		ReportAbuse:     {"reportAbuse", "POST", "roomId"},
		ProxyDownload:   {"proxyDownload", "GET", "downloadUrl"},
	}
	if e >= endpoints {
		return EndpointInfo{}
	}
	return table[e]
}

// String is the directory's name for the endpoint.
func (e Endpoint) String() string { return e.Info().Member }

// Endpoints lists all endpoints in the order of the draft.
func Endpoints() []Endpoint {
	all := make([]Endpoint, endpoints)
	for i := range all {
		all[i] = Endpoint(i)
	}
	return all
}
