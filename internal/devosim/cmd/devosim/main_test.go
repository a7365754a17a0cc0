package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devosim"
)

func TestItServesCountsUntilItIsStoppedAndFailsWhenAnythingWasMalformed(t *testing.T) {
	const good = `<14>2026-11-22T06:27:00.123Z host auth.okta.users: {"id":"a"}` + "\n"
	for name, test := range map[string]struct {
		sent      string
		malformed bool
	}{
		"well-formed": {good + good, false},
		"malformed":   {good + "hello\n" + good, true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			printed, out := io.Pipe()
			cmd := command()
			cmd.SetOut(out)
			cmd.SetErr(io.Discard)
			cmd.SetArgs([]string{
				"--listen-tls=127.0.0.1:0", "--listen-tcp=127.0.0.1:0", "--listen-http=127.0.0.1:0", "--stats-listen=127.0.0.1:0",
				"--dir=" + filepath.Join(t.TempDir(), "certificates"),
			})
			ended := make(chan error, 1)
			go func() {
				err := cmd.ExecuteContext(ctx)
				_ = out.CloseWithError(err)
				ended <- err
			}()

			lines := bufio.NewReader(printed)
			ready, err := lines.ReadString('\n')
			require.NoError(t, err)
			at := map[string]string{}
			for _, field := range strings.Fields(ready) {
				name, value, _ := strings.Cut(field, "=")
				at[name] = value
			}

			conn, err := net.Dial("tcp", strings.TrimPrefix(at["tcp"], "tcp://"))
			require.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, test.sent)
			require.NoError(t, err)
			require.NoError(t, conn.(*net.TCPConn).CloseWrite())
			_, err = io.ReadAll(conn)
			require.NoError(t, err)

			response, err := http.Get(at["stats"])
			require.NoError(t, err)
			defer response.Body.Close()
			var report devosim.Report
			require.NoError(t, json.NewDecoder(response.Body).Decode(&report))
			users := report.Tags["auth.okta.users"]
			require.Equal(t, []int64{2, 1, 1}, []int64{users.Records, users.Distinct, users.Repeated})

			stop()
			table, err := io.ReadAll(lines)
			require.Contains(t, string(table), "auth.okta.users")
			if test.malformed {
				require.ErrorIs(t, err, errMalformed)
				require.Contains(t, string(table), "hello")
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, test.malformed, (<-ended) != nil, fmt.Sprint(err))
		})
	}
}
