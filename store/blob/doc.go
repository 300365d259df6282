// Package blob keeps the octets of assets: in a directory, or in a bucket of a service that speaks S3. Both implement asset.Blobs.
package blob
