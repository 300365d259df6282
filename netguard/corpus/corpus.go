// Package corpus is URLs that point inside, for tests of whatever fetches URLs that others supply.
package corpus

import (
	"context"
	"errors"
	"net/netip"
	"strings"
)

// Inside returns URLs that no request may follow.
func Inside() []string {
	return strings.Fields(`
https://127.0.0.1/ https://127.1/ https://127.0.1/ https://2130706433/ https://0x7f000001/ https://0x7f.0.0.1/ https://0177.0.0.1/
https://017700000001/ https://0/ https://0.0.0.0/ https://127.0.0.1:22/ https://127.0.0.1:443/x https://127.000.000.001/
https://10.0.0.1/ https://10.255.255.255/ https://172.16.0.1/ https://172.31.255.254/ https://192.168.0.1/ https://192.168.1.1:8443/
https://169.254.169.254/latest/meta-data/ https://169.254.170.2/v2/credentials https://2852039166/ https://0xa9fea9fe/
https://100.64.0.1/ https://100.100.100.200/ https://198.18.0.1/ https://192.0.0.1/ https://224.0.0.1/ https://255.255.255.255/
https://[::1]/ https://[::]/ https://[0:0:0:0:0:0:0:1]/ https://[::ffff:127.0.0.1]/ https://[::ffff:7f00:1]/ https://[::ffff:10.0.0.1]/
https://[fe80::1]/ https://[fe80::1%25eth0]/ https://[fc00::1]/ https://[fd00:ec2::254]/ https://[64:ff9b::7f00:1]/
https://[2002:7f00:1::]/ https://[2001:0:7f00:1::]/ https://[::127.0.0.1]/ https://[ff02::1]/
https://localhost/ https://localhost:8443/ https://LOCALHOST/ https://localhost./ https://sub.localhost/ https://localhost.localdomain/
https://metadata.google.internal/ https://printer.local/ https://router.lan/ https://intranet/ https://db.corp/ https://1.0.0.127.in-addr.arpa/
https://user@127.0.0.1/ https://user:secret@10.0.0.1/ https://b.example@127.0.0.1/ https://b.example:443@localhost/
https://127.0.0.1#@b.example/ https://127.0.0.1?@b.example/ https://b.example\@127.0.0.1/ https://127.0.0.1\.b.example/
https://127.0.0.1%00.b.example/ https://%31%32%37.0.0.1/ https://①②⑦.⓪.⓪.①/ https://127。0。0。1/ https://ｌｏｃａｌｈｏｓｔ/
https://loop.inside.example/ https://private.inside.example/ https://meta.inside.example/ https://six.inside.example/
https://mapped.inside.example/ https://mixed.inside.example/ https://127.0.0.1.nip.example/
file:///etc/passwd gopher://127.0.0.1:70/ ftp://127.0.0.1/ dict://127.0.0.1:11211/ unix:///run/parley.sock jar:https://127.0.0.1!/
//127.0.0.1/ https:127.0.0.1/ https:/127.0.0.1/ https:///127.0.0.1/ http://127.0.0.1/ http://[::1]:80/ javascript:fetch(1) data:text/plain,x
`)
}

// Resolve stands for a DNS in which names of an attacker point inside. Every other name has a public address.
func Resolve(_ context.Context, name string) ([]netip.Addr, error) {
	at := map[string][]string{
		"loop.inside.example": {"127.0.0.1"}, "private.inside.example": {"10.0.0.1"}, "meta.inside.example": {"169.254.169.254"},
		"six.inside.example": {"::1"}, "mapped.inside.example": {"::ffff:127.0.0.1"}, "mixed.inside.example": {"8.8.8.8", "192.168.0.1"},
		"127.0.0.1.nip.example": {"127.0.0.1"}, "missing.example": {},
	}
	texts, known := at[name]
	if !known {
		texts = []string{"8.8.8.8"}
	}
	if len(texts) == 0 {
		return nil, errors.New("no such name")
	}
	var out []netip.Addr
	for _, t := range texts {
		a, err := netip.ParseAddr(t)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}
