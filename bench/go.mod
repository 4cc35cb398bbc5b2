module github.com/heapstate/heapstate/bench

go 1.26.0

require (
	github.com/google/btree v1.1.3
	github.com/heapstate/heapstate v0.0.0
	github.com/stretchr/testify v1.12.1
	github.com/tidwall/btree v1.8.0
	github.com/vmihailenco/msgpack/v5 v5.4.1
)

require (
	github.com/google/uuid v1.6.0 // indirect
	github.com/klauspost/cpuid/v2 v2.2.10 // indirect
	github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect
	github.com/zeebo/xxh3 v1.1.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/heapstate/heapstate => ../
