module github.com/appevents/appevents-go/delivery/boltqueue

go 1.26.0

replace github.com/appevents/appevents-go => ../../

replace github.com/appevents/appevents-go/delivery => ../

require (
	github.com/appevents/appevents-go v0.1.0
	github.com/appevents/appevents-go/delivery v0.1.0
	github.com/stretchr/testify v1.12.1
	go.etcd.io/bbolt v1.5.0
)

require (
	github.com/google/go-querystring v1.2.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)
