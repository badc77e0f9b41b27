module github.com/raft-ffi/raft-ffi/bindings/go

go 1.24
