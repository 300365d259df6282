package client

import (
	"context"
	"crypto"
	"encoding/json"
	"fmt"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// Account is who the device is: enrolled once, stored, loaded at every start.
type Account struct {
	User       uri.User
	Client     uri.Client
	Suite      wire.CipherSuite
	Signer     crypto.Signer
	Credential wire.Credential
	// HubSender is the provider's external sender, which the rooms created here name (P-RS-05).
	HubSender wire.ExternalSender
}

// savedAccount is the stored form; the key is PKCS#8.
type savedAccount struct {
	User       string           `json:"user"`
	Client     string           `json:"client"`
	Suite      wire.CipherSuite `json:"suite"`
	Key        []byte           `json:"key"`
	Credential []byte           `json:"credential"`
	HubSender  []byte           `json:"hub_sender"`
}

const keyAccount = "account"

// SaveAccount stores the account in an empty store.
func SaveAccount(ctx context.Context, store Store, a *Account) error {
	s, err := suite.Lookup(a.Suite)
	if err != nil {
		return err
	}
	saved := savedAccount{User: a.User.String(), Client: a.Client.String(), Suite: a.Suite}
	if saved.Key, err = s.MarshalSignatureKey(a.Signer); err != nil {
		return err
	}
	if saved.Credential, err = syntax.Marshal(&a.Credential); err != nil {
		return err
	}
	if saved.HubSender, err = syntax.Marshal(&a.HubSender); err != nil {
		return err
	}
	text, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	return store.Commit(ctx, mls.Delta{{Key: keyAccount, Value: text}})
}

// LoadAccount reads the account back; ErrNoAccount when there is none.
func LoadAccount(ctx context.Context, store Store) (*Account, error) {
	records, err := store.Load(ctx, keyAccount)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, ErrNoAccount
	}
	a, err := parseAccount(records[0].Value)
	if err != nil {
		return nil, fmt.Errorf("client: stored account: %w", err)
	}
	return a, nil
}

func parseAccount(text []byte) (*Account, error) {
	var saved savedAccount
	if err := json.Unmarshal(text, &saved); err != nil {
		return nil, err
	}
	s, err := suite.Lookup(saved.Suite)
	if err != nil {
		return nil, err
	}
	a := &Account{Suite: saved.Suite}
	if a.User, err = uri.ParseUser(saved.User); err != nil {
		return nil, err
	}
	if a.Client, err = uri.ParseClient(saved.Client); err != nil {
		return nil, err
	}
	if a.Signer, err = s.ParseSignatureKey(saved.Key); err != nil {
		return nil, err
	}
	if err := syntax.Unmarshal(saved.Credential, &a.Credential); err != nil {
		return nil, err
	}
	return a, syntax.Unmarshal(saved.HubSender, &a.HubSender)
}
