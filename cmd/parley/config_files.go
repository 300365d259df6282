package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"parley/netguard"
	"parley/provider"
	"parley/store/blob"
)

// filesConfig says how files of users are kept.
type filesConfig struct {
	Directory string   `toml:"directory"`   // default <data>/files; "off": there are no files
	Hosts     []string `toml:"hosts"`       // own asset domains, "host" or "host:port"; default: federation.authority
	MaxSizeMB int      `toml:"max_size_mb"` // of one file; default 4096
	QuotaMB   int      `toml:"quota_mb"`    // of one user; default 16384
	KeepDays  int      `toml:"keep_days"`   // default 90

	S3 s3Config `toml:"s3"`
}

// s3Config puts the octets into a bucket in place of the directory.
type s3Config struct {
	Endpoint      string `toml:"endpoint"` // host or host:port; empty: the directory is used
	Bucket        string `toml:"bucket"`   // exists already
	Region        string `toml:"region"`
	Prefix        string `toml:"prefix"` // before every name
	AccessKeyFile string `toml:"access_key_file"`
	SecretKeyFile string `toml:"secret_key_file"`
	Plain         bool   `toml:"plain"` // HTTP: for a service on the same machine
}

func (f *filesConfig) defaults(data string) {
	if f.Directory == "" && data != "" {
		f.Directory = filepath.Join(data, "files")
	}
	f.MaxSizeMB, f.QuotaMB, f.KeepDays = cmp.Or(f.MaxSizeMB, 4096), cmp.Or(f.QuotaMB, 16384), cmp.Or(f.KeepDays, 90)
}

func (c *config) validateFiles(add func(key, what, fix string)) {
	f := &c.Files
	for key, value := range map[string]int{"max_size_mb": f.MaxSizeMB, "quota_mb": f.QuotaMB, "keep_days": f.KeepDays} {
		if value < 1 || value > 1<<24 {
			add("files."+key, "is not 1 to 16777216", "")
		}
	}
	check := func(key string, hosts []string) {
		for _, h := range hosts {
			name := h
			if host, _, err := net.SplitHostPort(h); err == nil {
				name = host
			}
			if !netguard.Host(strings.ToLower(name)) {
				add(key, "names something that is no public host", `for example ["assets.a.example"]`)
			}
		}
	}
	check("files.hosts", f.Hosts)
	for i := range c.Peers {
		check(fmt.Sprintf("peer[%d].asset_hosts", i), c.Peers[i].AssetHosts)
	}
	if f.S3.Endpoint != "" && (f.S3.Bucket == "" || f.S3.AccessKeyFile == "" || f.S3.SecretKeyFile == "") {
		add("files.s3", "bucket, access_key_file and secret_key_file are needed with endpoint", "")
	}
}

// open makes the place for the octets. The directory is made, the bucket is not.
func (f *filesConfig) open() (provider.Files, error) {
	const mega = 1 << 20
	out := provider.Files{Hosts: f.Hosts, MaxSize: uint64(f.MaxSizeMB)*mega + 16, Quota: uint64(f.QuotaMB) * mega,
		Keep: time.Duration(f.KeepDays) * 24 * time.Hour}
	switch {
	case f.S3.Endpoint != "":
		access, err := readSecret(f.S3.AccessKeyFile)
		if err != nil {
			return out, err
		}
		secret, err := readSecret(f.S3.SecretKeyFile)
		if err != nil {
			return out, err
		}
		out.Blobs, err = blob.OpenS3(blob.S3Config{Endpoint: f.S3.Endpoint, Bucket: f.S3.Bucket, Region: f.S3.Region, Prefix: f.S3.Prefix,
			AccessKey: access, SecretKey: secret, Plain: f.S3.Plain})
		return out, err
	case f.Directory == off:
		return out, nil
	}
	disk, err := blob.OpenDisk(f.Directory)
	if err != nil {
		return out, fmt.Errorf("files.directory: %w", err)
	}
	out.Blobs = disk
	return out, nil
}

func readSecret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", errors.New(path + " is empty")
	}
	return secret, nil
}
