package provider

import "io"

// LogKeys makes a provider that does not run yet write the TLS secrets of its federation listener. Only tests can: nothing in a
// configuration leads here.
func (p *Provider) LogKeys(w io.Writer) { p.federation.server.TLSConfig.KeyLogWriter = w }
