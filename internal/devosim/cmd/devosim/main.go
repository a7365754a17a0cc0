// Command devosim runs the stand-in for Devo by itself, so that anything can be pointed at
// it. It counts until it is told to stop, prints what arrived, and exits with status 1 if
// anything was malformed, 2 if it could not run.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"okta-collector/internal/devosim"
)

var errMalformed = errors.New("not everything was well-formed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command().ExecuteContext(ctx)
	switch {
	case err == nil:
	case errors.Is(err, errMalformed):
		os.Exit(1)
	default:
		os.Exit(2)
	}
}

func command() *cobra.Command {
	var (
		config     devosim.Config
		statsAddr  string
		outputFile string
	)
	cmd := &cobra.Command{
		Use:          "devosim",
		Short:        "Stand in for Devo: take events over TLS, TCP and HTTP, strictly, and count them",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if outputFile != "" {
				out, err := os.OpenFile(outputFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
				if err != nil {
					return err
				}
				defer out.Close()
				config.Out = out
			}
			return run(cmd.Context(), cmd.OutOrStdout(), config, statsAddr)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config.ListenTLS, "listen-tls", "127.0.0.1:6514", "address for syslog over TLS")
	flags.StringVar(&config.ListenTCP, "listen-tcp", "127.0.0.1:13000", "address for plain syslog, as Devo's in-house relay")
	flags.StringVar(&config.ListenHTTP, "listen-http", "127.0.0.1:6543", "address for HTTPS")
	flags.StringVar(&statsAddr, "stats-listen", "", "address to serve counts as JSON from, at /stats; none if empty")
	flags.StringVar(&config.Dir, "dir", "devosim-certificates", "directory of the certificates; made if absent")
	flags.StringVar(&config.Domain, "domain", "demo", "domain that HTTP requests must name")
	flags.StringVar(&config.Token, "token", "", "token that HTTP requests must have; none is accepted if empty")
	flags.Var(&config.Manner, "manner", fmt.Sprintf("how syslog connections are ended, one of %v", devosim.Manners))
	flags.IntVar(&config.MaxRecord, "max-record", 0, "bytes from which on a syslog record is truncated, such as rsyslog's 8096; 0 for never")
	flags.Int64Var(&config.MaxBody, "max-body", 0, "bytes from which on an HTTP body is refused with 413, such as nginx's 1048576; 0 for Devo's own limit")
	flags.StringVar(&outputFile, "out", "", "file to append every delivered object to")
	return cmd
}

// run serves until ctx is done.
func run(ctx context.Context, out io.Writer, config devosim.Config, statsAddr string) error {
	server, err := devosim.Start(config)
	if err != nil {
		return err
	}
	defer server.Close()
	if statsAddr != "" {
		listener, err := net.Listen("tcp", statsAddr)
		if err != nil {
			return fmt.Errorf("serving counts: %w", err)
		}
		defer serveStats(listener, server)()
		statsAddr = "http://" + listener.Addr().String() + "/stats"
	}
	fmt.Fprintf(out, "ready tls=%s tcp=%s http=%s stats=%s certificates=%s\n",
		server.SyslogURL(), server.TCPURL(), server.HTTPURL(), statsAddr, config.Dir)

	<-ctx.Done()
	_ = server.Close()
	printReport(out, server.Report())
	if err := server.Err(); err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	return nil
}

// serveStats serves /stats until the returned function is called.
func serveStats(listener net.Listener, server *devosim.Server) (stop func()) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(server.Report())
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(listener) }()
	return func() { _ = s.Close() }
}

func printReport(out io.Writer, report devosim.Report) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "tag\trecords\tdistinct\trepeated\tobjects\tpulls\tbytes\t")
	for _, tag := range slices.Sorted(maps.Keys(report.Tags)) {
		t := report.Tags[tag]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", tag, t.Records, t.Distinct, t.Repeated, t.Objects, t.Pulls, t.Bytes)
	}
	_ = w.Flush()
	c := report.Connections
	if c.Truncated > 0 || c.TooLarge > 0 {
		fmt.Fprintf(out, "%d records were truncated, %d requests were too large\n", c.Truncated, c.TooLarge)
	}
	fmt.Fprintf(out, "connections: %d accepted, %d refused, %d ended and answered; %d records cut off, %d malformed\n",
		c.Accepted, c.Refused, c.Answered, c.Cut, report.Malformed)
	for _, example := range report.Examples {
		fmt.Fprintln(out, "malformed:", example)
	}
}
