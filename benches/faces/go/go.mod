module github.com/raft-ffi/raft-ffi/benches/faces/go

go 1.24

require github.com/raft-ffi/raft-ffi/bindings/go v0.0.0

replace github.com/raft-ffi/raft-ffi/bindings/go => ../../../bindings/go
