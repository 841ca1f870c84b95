// The keys of one control plane: needs nothing but Go's own library.
module molt-project.io/testbed/keys

go 1.24.0
