package config_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/config"
	"okta-collector/internal/okta"
)

// app is the least that a tenant needs which signs in as a service app.
func app(pairs ...string) env { return valid().without("OKTA_API_TOKEN").with(pairs...) }

func pemOf(t *testing.T, kind string, der []byte, err error) string {
	t.Helper()
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pemOf(t, "PRIVATE KEY", der, err)
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return key
}

// ecJWK is a private key as Okta shows it, with more members.
func ecJWK(t *testing.T, key *ecdsa.PrivateKey, more map[string]any) string {
	t.Helper()
	point, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	scalar, err := key.Bytes()
	require.NoError(t, err)
	half := (len(point) - 1) / 2
	text := base64.RawURLEncoding.EncodeToString
	jwk := map[string]any{"kty": "EC", "crv": key.Params().Name, "x": text(point[1 : 1+half]), "y": text(point[1+half:]), "d": text(scalar)}
	for name, value := range more {
		if value == nil {
			delete(jwk, name)
		} else {
			jwk[name] = value
		}
	}
	data, err := json.Marshal(jwk)
	require.NoError(t, err)
	return string(data)
}

func certificateOf(t *testing.T, key *ecdsa.PrivateKey, ends time.Time) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return der
}

func TestAPrivateKeyIsTakenInEachFormThatThereIs(t *testing.T) {
	ends := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	ec, r := ecKey(t, elliptic.P256()), rsaKey(t, 2048)
	sec1, err := x509.MarshalECPrivateKey(ec)
	require.NoError(t, err)
	der := certificateOf(t, ec, ends)
	certificate := pemOf(t, "CERTIFICATE", der, nil)
	foreign := pemOf(t, "CERTIFICATE", certificateOf(t, ecKey(t, elliptic.P256()), ends), nil)
	for name, test := range map[string]struct {
		key  string
		want okta.AppKey
	}{
		"PKCS#1":                   {pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r), nil), okta.AppKey{Algorithm: "RS256"}},
		"PKCS#8, RSA":              {pkcs8(t, r), okta.AppKey{Algorithm: "RS256"}},
		"PKCS#8, P-256":            {pkcs8(t, ec), okta.AppKey{Algorithm: "ES256"}},
		"PKCS#8, P-384":            {pkcs8(t, ecKey(t, elliptic.P384())), okta.AppKey{Algorithm: "ES384"}},
		"PKCS#8, P-521":            {pkcs8(t, ecKey(t, elliptic.P521())), okta.AppKey{Algorithm: "ES512"}},
		"SEC1":                     {pemOf(t, "EC PRIVATE KEY", sec1, nil), okta.AppKey{Algorithm: "ES256"}},
		"SEC1 after parameters":    {pemOf(t, "EC PARAMETERS", []byte{6, 0}, nil) + pemOf(t, "EC PRIVATE KEY", sec1, nil), okta.AppKey{Algorithm: "ES256"}},
		"with a certificate":       {pkcs8(t, ec) + certificate, okta.AppKey{Algorithm: "ES256", Ends: ends}},
		"certificate of another":   {foreign + pkcs8(t, ec), okta.AppKey{Algorithm: "ES256"}},
		"JWK":                      {ecJWK(t, ec, map[string]any{"kid": "key-1", "use": "sig"}), okta.AppKey{ID: "key-1", Algorithm: "ES256"}},
		"JWK that ends":            {ecJWK(t, ec, map[string]any{"exp": ends.Unix()}), okta.AppKey{Algorithm: "ES256", Ends: ends}},
		"JWK with a certificate":   {ecJWK(t, ec, map[string]any{"x5c": []string{base64.StdEncoding.EncodeToString(der)}}), okta.AppKey{Algorithm: "ES256", Ends: ends}},
		"JWK of an algorithm":      {ecJWK(t, ecKey(t, elliptic.P384()), map[string]any{"alg": "ES384"}), okta.AppKey{Algorithm: "ES384"}},
		"breaks written as \\n":    {strings.ReplaceAll(pkcs8(t, ec), "\n", `\n`), okta.AppKey{Algorithm: "ES256"}},
		"breaks of another system": {strings.ReplaceAll(pkcs8(t, ec), "\n", "\r\n"), okta.AppKey{Algorithm: "ES256"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, e := range []env{
				app("OKTA_CLIENT_ID", "0oa1", "OKTA_PRIVATE_KEY", test.key),
				app("OKTA_CLIENT_ID", "0oa1", "OKTA_PRIVATE_KEY_FILE", write(t, "key", []byte(test.key+"\n"))),
			} {
				c := e.mustLoad(t).Tenants[0].Okta
				require.Nil(t, c.Authorizer)
				got, err := c.ServiceApp.Key(t.Context())
				require.NoError(t, err)
				require.True(t, test.want.Ends.Equal(got.Ends))
				got.Ends = test.want.Ends
				require.Equal(t, test.want, got)
				e.with("OKTA_PRIVATE_KEY_ID", "named")
				got, err = e.mustLoad(t).Tenants[0].Okta.ServiceApp.Key(t.Context())
				require.NoError(t, err)
				require.Equal(t, "named", got.ID)
			}
		})
	}
}

func TestAPrivateKeyThatIsOfNoUseIsNamedAndNotShown(t *testing.T) {
	ec := ecKey(t, elliptic.P256())
	public, err := x509.MarshalPKIXPublicKey(&ec.PublicKey)
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	good := pkcs8(t, ec)
	other, err := ecKey(t, elliptic.P256()).Bytes()
	require.NoError(t, err)
	for name, test := range map[string]struct{ key, want string }{
		"a token":             {"00s3cret-token-of-somebody", "neither a private key in PEM nor a JWK"},
		"a file's name":       {"/run/secrets/okta.pem", "neither a private key in PEM nor a JWK"},
		"half a key":          {good[:len(good)/2], "neither a private key in PEM nor a JWK"},
		"a damaged key":       {strings.Replace(good, "MI", "MJ", 1), "neither a private key in PEM nor a JWK"},
		"two keys":            {good + pkcs8(t, ecKey(t, elliptic.P256())), "several private keys"},
		"an encrypted key":    {pemOf(t, "ENCRYPTED PRIVATE KEY", []byte("x"), nil), "openssl pkey"},
		"encrypted as of old": {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "openssl pkey"},
		"a public key":        {pemOf(t, "PUBLIC KEY", public, nil), "public key"},
		"a certificate alone": {pemOf(t, "CERTIFICATE", certificateOf(t, ec, time.Now().Add(time.Hour)), nil), "neither a private key in PEM nor a JWK"},
		"a public JWK":        {ecJWK(t, ec, map[string]any{"d": nil}), "public key"},
		"a set of JWKs":       {`{"keys":[` + ecJWK(t, ec, nil) + `]}`, "a set of keys"},
		"a JWK of no kind":    {`{"kty":"XX"}`, "neither a private key in PEM nor a JWK"},
		"a password as JWK":   {`{"kty":"oct","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQ"}`, "takes only RSA keys of 2048 bits"},
		"halves of two keys":  {ecJWK(t, ec, map[string]any{"d": base64.RawURLEncoding.EncodeToString(other)}), "damaged"},
		"an alg of another":   {ecJWK(t, ec, map[string]any{"alg": "RS256"}), "its alg"},
		"a short RSA key":     {pkcs8(t, rsaKey(t, 1024)), "has 1024 bits"},
		"P-224":               {pkcs8(t, ecKey(t, elliptic.P224())), "takes only RSA keys"},
		"Ed25519":             {pkcs8(t, ed), "takes only RSA keys"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := map[string]env{"OKTA_PRIVATE_KEY": app("OKTA_CLIENT_ID", "0oa1", "OKTA_PRIVATE_KEY", test.key)}
			if name == "half a key" { // such a file is read again for a second
				settings["OKTA_PRIVATE_KEY_FILE"] = app("OKTA_CLIENT_ID", "0oa1", "OKTA_PRIVATE_KEY_FILE", write(t, "key", []byte(test.key)))
			}
			for setting, e := range settings {
				_, _, err := e.load(t)
				var problems config.Problems
				require.ErrorAs(t, err, &problems)
				require.Len(t, problems, 1, "%v", err)
				require.Equal(t, setting, problems[0].Setting)
				require.ErrorContains(t, err, test.want)
				for word := range strings.FieldsSeq(test.key) {
					if len(word) > 20 && !strings.HasPrefix(word, "---") && !strings.HasPrefix(word, "DEK") {
						require.NotContains(t, err.Error(), word[:20])
					}
				}
			}
		})
	}
}

func TestExactlyOneWayToSignInIsWanted(t *testing.T) {
	key := pkcs8(t, ecKey(t, elliptic.P256()))
	file := write(t, "key.pem", []byte(key))
	for name, test := range map[string]struct {
		env  env
		want string
	}{
		"none":                     {app(), "OKTA_API_TOKEN and OKTA_API_TOKEN_FILE are both missing"},
		"a token and an app":       {valid().with("OKTA_CLIENT_ID", "0oa1", "OKTA_PRIVATE_KEY_FILE", file), "OKTA_API_TOKEN and OKTA_CLIENT_ID are both set; want one way to sign in"},
		"an app and its token":     {app("OKTA_API_TOKEN_FILE", file, "OKTA_CLIENT_ID", "0oa1", "OKTA_PRIVATE_KEY_FILE", file), "OKTA_API_TOKEN_FILE and OKTA_CLIENT_ID are both set"},
		"a key without an app":     {app("OKTA_PRIVATE_KEY_FILE", file), "OKTA_CLIENT_ID is missing"},
		"a secret without an app":  {app("OKTA_CLIENT_SECRET", "s3cret"), "OKTA_CLIENT_ID is missing"},
		"an app without a key":     {app("OKTA_CLIENT_ID", "0oa1"), "OKTA_PRIVATE_KEY_FILE is missing; want the private key of the service app, or the secret of an API service integration in OKTA_CLIENT_SECRET_FILE"},
		"a key and a secret":       {app("OKTA_CLIENT_ID", "0oa1", "OKTA_PRIVATE_KEY", key, "OKTA_CLIENT_SECRET", "s3cret"), "OKTA_PRIVATE_KEY and OKTA_CLIENT_SECRET are both set"},
		"a key twice":              {app("OKTA_CLIENT_ID", "0oa1", "OKTA_PRIVATE_KEY", key, "OKTA_PRIVATE_KEY_FILE", file), "OKTA_PRIVATE_KEY and OKTA_PRIVATE_KEY_FILE are both set"},
		"a secret twice":           {app("OKTA_CLIENT_ID", "0oa1", "OKTA_CLIENT_SECRET", "s3cret", "OKTA_CLIENT_SECRET_FILE", write(t, "secret", []byte("s3cret"))), "OKTA_CLIENT_SECRET and OKTA_CLIENT_SECRET_FILE are both set"},
		"a key's id without a key": {app("OKTA_CLIENT_ID", "0oa1", "OKTA_CLIENT_SECRET", "s3cret", "OKTA_PRIVATE_KEY_ID", "kid"), "OKTA_PRIVATE_KEY_ID is set, but a client secret has no key's id"},
		"an id of two words":       {app("OKTA_CLIENT_ID", "0oa1 s3cret", "OKTA_PRIVATE_KEY_FILE", file), "OKTA_CLIENT_ID has 11 characters, or some that no client id has"},
		"a key's id of two words":  {app("OKTA_CLIENT_ID", "0oa1", "OKTA_PRIVATE_KEY_FILE", file, "OKTA_PRIVATE_KEY_ID", "s3cret x"), "OKTA_PRIVATE_KEY_ID has a blank"},
		"a key for a file's name":  {app("OKTA_CLIENT_ID", "0oa1", "OKTA_PRIVATE_KEY_FILE", key), "OKTA_PRIVATE_KEY_FILE has the key itself"},
		"a secret's file is empty": {app("OKTA_CLIENT_ID", "0oa1", "OKTA_CLIENT_SECRET_FILE", write(t, "empty", nil)), "OKTA_CLIENT_SECRET_FILE cannot be used"},
		"a secret of two words":    {app("OKTA_CLIENT_ID", "0oa1", "OKTA_CLIENT_SECRET", "two s3cret"), "OKTA_CLIENT_SECRET cannot be used"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := test.env.load(t)
			var problems config.Problems
			require.ErrorAs(t, err, &problems)
			require.Len(t, problems, 1, "%v", err)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "s3cret")
			require.NotContains(t, err.Error(), key[30:60])
		})
	}
	c := app("OKTA_CLIENT_ID", "0oa1", "OKTA_CLIENT_SECRET", "s3cret").mustLoad(t)
	require.NotContains(t, fmt.Sprintf("%+v %#v", c, *c.Tenants[0].Okta.ServiceApp), "s3cret")
}

func TestATenantNeverInheritsAServiceAppNorAnyPartOfOne(t *testing.T) {
	file := write(t, "key.pem", []byte(pkcs8(t, ecKey(t, elliptic.P256()))))
	own := two().without("ACME_OKTA_API_TOKEN", "GLOBEX_EU_OKTA_API_TOKEN").with("ACME_OKTA_CLIENT_ID", "0oaAcme", "ACME_OKTA_PRIVATE_KEY_FILE", file)
	_, warnings, err := own.with("OKTA_CLIENT_ID", "0oaShared", "OKTA_CLIENT_SECRET", "s3cret", "OKTA_PRIVATE_KEY_ID", "shared").load(t)
	require.ErrorContains(t, err, "GLOBEX_EU_OKTA_API_TOKEN")
	require.NotContains(t, err.Error(), "ACME_", "another way to sign in is not inherited either")
	require.Len(t, warnings, 3)
	for _, warning := range warnings {
		require.Contains(t, warning, "is not used: with COLLECTOR_TENANTS every tenant has its own")
	}

	own.with("GLOBEX_EU_OKTA_CLIENT_ID", "0oaGlobex", "GLOBEX_EU_OKTA_CLIENT_SECRET", "s3cret")
	c, _, err := own.load(t)
	require.NoError(t, err)
	require.Equal(t, "0oaAcme", c.Tenants[0].Okta.ServiceApp.ClientID)
	require.Empty(t, c.Tenants[0].Okta.ServiceApp.KeyID)
	require.False(t, c.Tenants[0].Okta.ServiceApp.ClientSecret.IsSet())
	require.Equal(t, "0oaGlobex", c.Tenants[1].Okta.ServiceApp.ClientID)
	require.False(t, c.Tenants[1].Okta.ServiceApp.PrivateKey.IsSet())
}
