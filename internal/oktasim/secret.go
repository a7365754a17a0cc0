package oktasim

import "regexp"

// secret matches the secrets of simulated objects, which are in shapes/.
var secret = regexp.MustCompile(`"not-a-secret-[0-9]+"`)

// Redacted returns an object as it may leave the collector: each of its secrets is "[redacted]".
func Redacted(object []byte) []byte { return secret.ReplaceAllLiteral(object, []byte(`"[redacted]"`)) }
