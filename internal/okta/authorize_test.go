package okta_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
)

// signer is another way to sign in: every signature is new, and the org may refuse some of them.
type signer struct {
	signed []string // the scopes of each request
	again  bool
	err    error
}

func (s *signer) Authorize(_ context.Context, r *http.Request, scopes []string) error {
	s.signed = append(s.signed, strings.Join(scopes, " "))
	r.Header.Set("Authorization", fmt.Sprintf("Proof %d", len(s.signed)))
	return s.err
}
func (s *signer) Refused(answer *http.Response) bool {
	return s.again && answer.StatusCode == http.StatusUnauthorized
}
func (s *signer) Redact(text string) string            { return strings.ReplaceAll(text, "Proof", "[redacted]") }
func (s *signer) Advice(status int, _ []string) string { return fmt.Sprintf("advice on %d", status) }

// signed makes an org that refuses all but the n-th signature.
func signed(t *testing.T, s *signer, good int) (*okta.Org, *wire) {
	w := &wire{t: t, handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Len(t, r.Header.Values("Authorization"), 1)
		if r.Header.Get("Authorization") != fmt.Sprintf("Proof %d", good) {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"errorCode":"E0000011","errorSummary":"not with %s"}`, r.Header.Get("Authorization"))
			return
		}
		fmt.Fprint(w, `[{"id":"a"}]`)
	})}
	cfg := settings()
	cfg.Transport, cfg.Authorizer = w, s
	org, err := okta.New(cfg)
	require.NoError(t, err)
	return org, w
}

func TestEachRequestIsSignedForTheScopesOfItsCollection(t *testing.T) {
	s := &signer{}
	org, _ := signed(t, s, 1)
	pull(t, org.Reader(service(t, "zones"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Equal(t, []string{"okta.networkZones.read"}, s.signed)
}

func TestARequestWhoseSignatureIsRefusedIsSignedAnewAndSentOnceMore(t *testing.T) {
	s := &signer{again: true}
	org, w := signed(t, s, 2)
	r := org.Reader(service(t, "zones"), okta.Begin{}, time.Now)
	require.Len(t, pull(t, r, checkpoint.Position{}).objects, 1)
	require.Len(t, w.asked, 2)
	require.EqualValues(t, 2, r.Requests(), "each has a ticket of its own")

	s = &signer{again: true}
	org, w = signed(t, s, 3)
	e := refused(t, org.Reader(service(t, "zones"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Len(t, w.asked, 2, "no more than once")
	require.Equal(t, okta.Passing, e.Class, "the next request may succeed")
	require.Equal(t, "advice on 401", e.Advice)
	require.Contains(t, e.Error(), "not with [redacted] 2")

	s = &signer{again: false}
	org, w = signed(t, s, 2)
	refused(t, org.Reader(service(t, "zones"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Len(t, w.asked, 1, "only where the authorizer says so")
}

func TestARequestThatCannotBeSignedIsNotSent(t *testing.T) {
	s := &signer{err: errors.New("the key file is empty")}
	org, w := signed(t, s, 1)
	e := refused(t, org.Reader(service(t, "zones"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Equal(t, okta.Person, e.Class)
	require.ErrorContains(t, e, "the key file is empty")
	require.Empty(t, w.asked)

	s.err = &okta.Error{Class: okta.Passing, Path: "/oauth2/v1/token"}
	e = refused(t, org.Reader(service(t, "zones"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Equal(t, okta.Passing, e.Class, "an authorizer that asks Okta says what its failure means")
	require.Empty(t, w.asked)
}
