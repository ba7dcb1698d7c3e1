module github.com/appevents/appevents-go/examples

go 1.26.0

require (
	github.com/appevents/appevents-go v0.0.0
	github.com/stretchr/testify v1.12.1
	golang.org/x/term v0.47.0
)

require (
	github.com/google/go-querystring v1.2.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/appevents/appevents-go => ../
