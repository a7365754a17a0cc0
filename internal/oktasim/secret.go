package oktasim

import "regexp"

var (
	// secret matches the secrets of simulated objects, which are in shapes/.
	secret = regexp.MustCompile(`"not-a-secret-[0-9]+"`)
	// activation matches what Okta says of a factor that is being enrolled. All of it is secret.
	activation = regexp.MustCompile(`"activation":\{[^{}]*\}`)
)

// Redacted returns an object as it may leave the collector: each of its secrets is "[redacted]".
func Redacted(object []byte) []byte {
	object = activation.ReplaceAllLiteral(object, []byte(`"activation":"[redacted]"`))
	return secret.ReplaceAllLiteral(object, []byte(`"[redacted]"`))
}
