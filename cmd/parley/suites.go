package main

import (
	"fmt"

	"parley/mls/suite"
	"parley/mls/wire"
)

// mlsConfig says which cipher suites rooms may have.
type mlsConfig struct {
	HybridSuites []string `toml:"hybrid_suites"` // NAME or NAME=0xf701; default: none
}

// suiteTable makes the table of the suites of RFC 9420 and the given hybrids; nil without any.
func suiteTable(hybrids []string) (*suite.Table, error) {
	var points []suite.Point
	for _, text := range hybrids {
		p, err := parsePoint(text)
		if err != nil {
			return nil, err
		}
		points = append(points, p)
	}
	if len(points) == 0 {
		return nil, nil
	}
	return (*suite.Table)(nil).With(points...)
}

// hybridNames lists the hybrids for people.
func hybridNames() string { return fmt.Sprint(suite.Hybrids()) }

// parseSuite reads the name of a hybrid, or the number of a suite.
func parseSuite(text string, table *suite.Table) (wire.CipherSuite, error) {
	if s, err := table.Hybrid(suite.Hybrid(text)); err == nil {
		return s.ID(), nil
	}
	var id uint16
	if _, err := fmt.Sscan(text, &id); err != nil {
		return 0, fmt.Errorf("that is no cipher suite of this device; hybrids are %s, offered with --hybrid", hybridNames())
	}
	if _, err := table.Lookup(wire.CipherSuite(id)); err != nil {
		return 0, fmt.Errorf("that is no cipher suite of this device; it has %v", table.All())
	}
	return wire.CipherSuite(id), nil
}
