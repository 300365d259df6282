package mimihttp

import "time"

// RetryAfter is retryAfter, for tests.
func RetryAfter(text string, now time.Time) time.Duration { return retryAfter(text, now) }
