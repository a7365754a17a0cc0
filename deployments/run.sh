#!/bin/sh
# Runs the worker in the foreground; with TEMPORAL_ADDRESS unset also a Temporal server of its
# own, which keeps everything in .run/temporal.db.
set -eu
umask 077 # what is kept in .run is for this user alone
export COLLECTOR_START="${COLLECTOR_START:-new}"

# The services of a demo have the names of real ones: a real worker must not take them over.
address=$(echo "${TEMPORAL_ADDRESS:-127.0.0.1:7233}" | sed 's/^localhost:/127.0.0.1:/')
if grep -qsF "TEMPORAL_ADDRESS='$address'" .demo/settings && ! flock --nonblock .demo/lock true; then
	echo "The Temporal at $address is that of the demo, which runs: stop it first (Ctrl-C in its terminal)." >&2
	exit 1
fi

bin/worker --check-settings # before a Temporal is started for nothing
if [ -z "${TEMPORAL_ADDRESS:-}" ]; then
	mkdir -p .run
	chmod -R go= .run # also what an earlier version kept
	: >.run/temporal.log # before it is looked into
	# In a session of its own: Ctrl-C must reach the worker only, which saves its position there.
	setsid bin/temporal server start-dev --db-filename .run/temporal.db --log-level error >>.run/temporal.log 2>&1 &
	temporal=$!
	trap 'kill "$temporal" 2>/dev/null || true' EXIT
	until grep -q '^Server:' .run/temporal.log; do
		if ! kill -0 "$temporal" 2>/dev/null; then
			echo "Temporal did not start:" >&2
			cat .run/temporal.log >&2
			echo "If its port is taken by a demo, stop that first. If it is taken by a Temporal of yours, set TEMPORAL_ADDRESS to it." >&2
			exit 1
		fi
		sleep 0.2
	done
	# A development server keeps closed workflows for a day only, and with them where a stopped backfill was.
	bin/temporal operator namespace update --namespace default --retention 2160h >>.run/temporal.log 2>&1
	echo "Temporal's Web UI: http://localhost:8233 (its log: .run/temporal.log)"
fi
if [ "$COLLECTOR_START" = new ]; then
	echo "The worker starts what was never started. To see it, from another terminal: bin/starter status"
else
	echo "Once the worker is working, start collecting from another terminal: bin/starter start"
fi
trap : INT TERM
bin/worker
