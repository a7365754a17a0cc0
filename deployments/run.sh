#!/bin/sh
# Runs the worker in the foreground; with TEMPORAL_ADDRESS unset also a Temporal server of its
# own, which keeps everything in .run/temporal.db.
set -eu
if [ -z "${TEMPORAL_ADDRESS:-}" ]; then
	mkdir -p .run
	# In a session of its own: Ctrl-C must reach the worker only, which saves its position there.
	setsid bin/temporal server start-dev --db-filename .run/temporal.db --log-level error >.run/temporal.log 2>&1 &
	temporal=$!
	trap 'kill "$temporal" 2>/dev/null || true' EXIT
	echo "Temporal's Web UI: http://localhost:8233 (its log: .run/temporal.log)"
fi
echo "Once the worker is working, start collecting from another terminal: bin/starter start"
trap : INT TERM
bin/worker
