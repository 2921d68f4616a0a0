package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// A unary gRPC call over TLS.
type grpcCall struct {
	Url, CA, ServerName, Token string
	Message                    []byte
}

// Status is gRPC's, a number as text; empty where the answer was none of gRPC's.
type grpcReply struct {
	Http    int    `json:"http"`
	Status  string `json:"status"`
	Says    string `json:"says"`
	Message []byte `json:"message"`
}

// `echo call` makes one, in JSON, and says how it went.
func call() {
	var wanted grpcCall
	check(json.NewDecoder(os.Stdin).Decode(&wanted))
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM([]byte(wanted.CA)) {
		fail(errors.New("there is no certificate in the CA"))
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(wanted.Message)))
	request, err := http.NewRequest("POST", wanted.Url, strings.NewReader(string(append(frame, wanted.Message...))))
	check(err)
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	if wanted.Token != "" {
		request.Header.Set("Authorization", "Bearer "+wanted.Token)
	}
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{RootCAs: trusted, ServerName: wanted.ServerName},
	}}
	answer, err := client.Do(request)
	check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	check(err)
	// A refusal has no body, and its status is among the headers.
	said := func(name string) string { return answer.Header.Get(name) + answer.Trailer.Get(name) }
	check(json.NewEncoder(os.Stdout).Encode(grpcReply{
		Http: answer.StatusCode, Status: said("Grpc-Status"), Says: said("Grpc-Message"), Message: body[min(5, len(body)):],
	}))
}
