// Oktasim serves a simulated Okta org, for demos and for pointing any collector at.
//
// It prints one line with its address when it is ready, and what was asked of it when it ends.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"okta-collector/internal/oktasim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "oktasim:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var (
		cfg                  oktasim.Config
		app                  registration
		listen, epoch, state string
		odd                  []string
	)
	cmd := &cobra.Command{
		Use:   "oktasim",
		Short: "Serve a simulated Okta org",
		Long: "Serve a simulated Okta org. The API token that it takes is given by --token or OKTASIM_TOKEN, a service app by --client-id\n" +
			"with --client-keys or --client-secret. The files are read anew at each request, so that a key or a scope can be withdrawn.\n\n" + oddities(),
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cfg.Token == "" {
				cfg.Token = os.Getenv("OKTASIM_TOKEN")
			}
			cfg.Epoch = time.Now()
			if epoch != "" {
				t, err := time.Parse(time.RFC3339, epoch)
				if err != nil {
					return fmt.Errorf("--epoch: %w", err)
				}
				cfg.Epoch = t
			}
			for _, text := range odd {
				o, err := oktasim.ParseOdd(text)
				if err != nil {
					return fmt.Errorf("--odd: %w", err)
				}
				cfg.Odd = append(cfg.Odd, o)
			}
			if state != "" {
				origin, err := rememberOrigin(state, origin{Seed: cfg.Seed, Epoch: cfg.Epoch})
				if err != nil {
					return err
				}
				cfg.Seed, cfg.Epoch = origin.Seed, origin.Epoch
			}
			if err := app.register(&cfg); err != nil {
				return err
			}
			return serve(cmd.Context(), cmd.OutOrStdout(), listen, cfg, &app)
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:0", "address to listen on")
	f.Uint64Var(&cfg.Seed, "seed", 1, "what the content of the org follows from")
	f.StringVar(&epoch, "epoch", "", "when the org begins to live, RFC 3339 (default now)")
	f.StringVar(&state, "state", "", "file that keeps the seed and the epoch; those in it win, so that the next run is the same org")
	f.StringVar(&cfg.Token, "token", "", "API token (SSWS) to take")
	app.flags(cmd)
	f.DurationVar(&cfg.NonceEvery, "nonce-every", 0, "how often the nonce of DPoP proofs is renewed (default 24h)")
	f.BoolVar(&cfg.Strict, "strict", false, "refuse what Okta takes of a service app and a careful one does not send")
	f.StringToIntVar(&cfg.Counts, "counts", smallOrg, "objects of each service; of what is listed under others, for each of these")
	f.DurationVar(&cfg.BacklogSpan, "backlog-span", 0, "time before the epoch over which the log backlog is spread (default 1920h)")
	f.DurationVar(&cfg.LiveEvery, "live-every", 0, "time between two live log events (default none)")
	f.DurationVar(&cfg.ChangeEvery, "change-every", 0, "time between two changes of users, groups and devices (default none)")
	f.IntVar(&cfg.TurnEvery, "turn-every", 0, "live log events for each that tells of something deleted, removed or added (default none)")
	f.StringSliceVar(&cfg.Off, "off", nil, "features that the org has not got: services, and types of policies such as policies/ENTITY_RISK")
	f.IntVar(&cfg.EventBytes, "event-bytes", 0, "compact size of a log event (default 2000)")
	f.BoolVar(&cfg.Pretty, "pretty", false, "answer with insignificant white space")
	f.StringVar(&cfg.Plan, "plan", "", "published rate limits: free, one-app, enterprise, workforce (default enterprise)")
	f.StringToIntVar(&cfg.Limits, "limits", nil, "requests a minute by bucket, such as /api/v1/logs=12")
	f.StringSliceVar(&odd, "odd", nil, "what is not in order: name[=collection[/number]][:n][:for], such as null=users/3,too-much-silent=zones:5:2s")
	f.BoolVar(&cfg.Unlimited, "unlimited", false, "no rate limits")
	return cmd
}

// oddities lists what --odd can switch on.
func oddities() string {
	var text strings.Builder
	text.WriteString("What --odd switches on, as name=collection/number:n:for, here with the defaults. The number is that of the object\n" +
		"or parent; otherwise it is how many answers are in order before. N answers without a default are all of them:\n")
	for _, o := range oktasim.Oddities() {
		fmt.Fprintf(&text, "  %-30s %s\n", o, o.About)
	}
	return text.String()
}

// serve runs until ctx ends and what is under way then is answered.
func serve(ctx context.Context, out io.Writer, listen string, cfg oktasim.Config, app *registration) error {
	org, err := oktasim.New(cfg)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := oktasim.NewServer(org)
	server.Handler = app.over(org)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	if _, err := fmt.Fprintf(out, "http://%s\n", l.Addr()); err != nil {
		return errors.Join(err, server.Close())
	}

	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return fmt.Errorf("stopping: %w", errors.Join(err, server.Close()))
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return report(out, org)
}

// report prints how much was asked of each bucket, and how service apps signed in.
func report(out io.Writer, org *oktasim.Org) error {
	windows := org.Windows()
	for _, bucket := range oktasim.Buckets() {
		var opened, admitted, refused, most int
		for _, w := range windows {
			if w.Bucket == bucket {
				opened++
				admitted += w.Admitted
				refused += w.Refused
				most = max(most, w.Admitted)
			}
		}
		if _, err := fmt.Fprintf(out, "%s: %d requests in %d windows, at most %d in one; %d refused\n", bucket, admitted, opened, most, refused); err != nil {
			return err
		}
	}
	seen := org.SignIns()
	for _, scope := range slices.Sorted(maps.Keys(seen.Asked)) {
		if _, err := fmt.Fprintf(out, "%q: asked for %d times, %d tokens\n", scope, seen.Asked[scope], seen.Tokens[scope]); err != nil {
			return err
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(seen.Refused)) {
		if _, err := fmt.Fprintf(out, "%s: %d times\n", reason, seen.Refused[reason]); err != nil {
			return err
		}
	}
	return nil
}
