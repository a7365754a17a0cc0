package oktasim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

func TestHalfOfAnAnswerHasArrivedMidway(t *testing.T) {
	arrived, goOn := make(chan struct{}), make(chan struct{})
	s := start(t, func(*http.Request, int) oktasim.Fault {
		return oktasim.Midway(func() {
			close(arrived)
			<-goOn
		})
	})
	w, err := ask(t, http.DefaultClient, s.URL+"/api/v1/users")
	require.NoError(t, err)
	<-arrived
	half := make([]byte, w.ContentLength/2)
	_, err = io.ReadFull(w.Body, half)
	require.NoError(t, err)
	close(goOn)
	rest, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	require.NoError(t, w.Body.Close())
	require.True(t, json.Valid(append(half, rest...)))
}
