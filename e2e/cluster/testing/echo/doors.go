package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// `echo doors PORT udp/PORT grpc/PORT …` opens many at once and prints a line for whatever comes: HTTP on all paths (`/fail` fails), UDP,
// and gRPC's health service, whose service `failing` does not serve. It stays until it is killed.
func doors(wanted []string) {
	for _, each := range wanted {
		kind, port, found := strings.Cut(each, "/")
		if !found {
			kind, port = "http", each
		}
		go map[string]func(string){"http": httpDoor, "udp": udpDoor, "grpc": grpcDoor}[kind](port)
	}
	select {}
}

func httpDoor(port string) {
	fail(http.ListenAndServe(":"+port, http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		fmt.Printf("http %s %s %s by %s\n", port, request.Method, request.URL.Path, request.UserAgent())
		if request.URL.Path == "/fail" {
			answer.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprintf(answer, "port %s, from %s\n", port, request.RemoteAddr)
	})))
}

func udpDoor(port string) {
	socket, err := net.ListenPacket("udp", ":"+port)
	check(err)
	buffer := make([]byte, 2048)
	for {
		size, from, err := socket.ReadFrom(buffer)
		check(err)
		word, _, _ := strings.Cut(string(buffer[:size]), "\r")
		fmt.Printf("udp %s %s\n", port, word)
		socket.WriteTo([]byte("port "+port+"\n"), from)
	}
}

func grpcDoor(port string) {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	server := http.Server{Addr: ":" + port, Protocols: &protocols, Handler: http.HandlerFunc(healthCheck)}
	fail(server.ListenAndServe())
}

// grpc.health.v1.Health/Check: a frame with the service's name in field 1, and one with the state in field 1: 1 serves, 2 does not.
func healthCheck(answer http.ResponseWriter, request *http.Request) {
	asked, err := io.ReadAll(request.Body)
	check(err)
	service, state := "", byte(1)
	if len(asked) > 7 {
		service = string(asked[7:])
	}
	if service == "failing" {
		state = 2
	}
	fmt.Printf("grpc %s %s by %s\n", request.URL.Path, service, request.UserAgent())
	answer.Header().Set("Content-Type", "application/grpc")
	answer.Write([]byte{0, 0, 0, 0, 2, 8, state})
	answer.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
}
