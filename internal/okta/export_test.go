package okta

// NewTransport is the transport that requests go through unless a test has another one.
var NewTransport = newTransport

// Refused are the patterns of what is never asked for, and IsRefused reports whether a path is of them.
var (
	Refused   = refused
	IsRefused = isRefused
)
