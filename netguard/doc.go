// Package netguard keeps URLs that others supply from leading into the inside of a network: directories of peers, assets of theirs,
// external parts of messages.
//
// It judges twice. Host judges the text of a URL before anything is resolved. Dialer judges the addresses to which a name resolved and
// dials those very addresses, so that a second answer of the DNS changes nothing (A-69, rows P-PD-02, P-PD-10, C-XP-16). What an
// operator has configured is not a matter of this package: it is dialled as it stands.
package netguard
