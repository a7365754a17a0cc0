package okta

// NewTransport is the transport that requests go through unless a test has another one.
var NewTransport = newTransport
