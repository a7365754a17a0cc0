package oktasim

// doomed are the collections whose objects are deleted, but for the lasting ones.
var doomed = map[string]bool{}

var lasting = sparse{every: 8, at: 7}
