package okta

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOfSeveralChallengesTheOneForDPoPIsRead(t *testing.T) {
	for name, test := range map[string]struct {
		challenges     []string
		scheme, reason string
	}{
		"none":                    {nil, "", ""},
		"one":                     {[]string{`DPoP algs="ES256", error="use_dpop_nonce"`}, dpop, useNonce},
		"in another case":         {[]string{`dpop error="invalid_dpop_proof"`}, dpop, invalidProof},
		"without quotes":          {[]string{`DPoP error=use_dpop_nonce`}, dpop, useNonce},
		"in a header of its own":  {[]string{`Bearer error="invalid_token"`, `DPoP error="use_dpop_nonce"`}, dpop, useNonce},
		"in the same header":      {[]string{`Bearer error="invalid_token", DPoP error="use_dpop_nonce"`}, dpop, useNonce},
		"of another scheme":       {[]string{`Bearer error="insufficient_scope", scope="okta.users.read"`}, "Bearer", "insufficient_scope"},
		"that only names a proof": {[]string{`Bearer error_description="no DPoP here", error="invalid_token"`}, "Bearer", "invalid_token"},
	} {
		t.Run(name, func(t *testing.T) {
			scheme, reason := challengeOf(http.Header{"Www-Authenticate": test.challenges})
			require.Equal(t, test.scheme, scheme)
			require.Equal(t, test.reason, reason)
		})
	}
}
