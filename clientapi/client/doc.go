// Package client is the client's side of the client-to-provider API: what parley/client asks of its provider, over HTTPS, and how
// a client comes into being. It implements client.Provider (parley/client).
//
// Invariants:
//   - A failure after which the same octets may succeed, or whose request may have been carried out, is a *client.RetryError; a
//     definite refusal is an *api.Error. So a request with an unknown fate is always repeated and never given up.
//   - A redirect is not followed: the token goes to the provider's origin only.
//   - Every event is handed over once and in order, across streams, as long as the caller continues from the cursor that it has
//     stored. It is acknowledged after it was handed over, never before.
//   - A credential is taken only when it is of the own key and carries the names that were asked for.
//
// How octets travel is a Transport. HTTP makes one of net/http; a WebAssembly client, which must not link net/http, brings another
// one, so everything outside of the files for HTTP does without that package. Nothing here starts a goroutine.
//
// The package must not import a role but parley/client, nor storage.
package client
