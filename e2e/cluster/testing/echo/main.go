// `echo listen PORT` answers each request with a line that says where it came from and which port took it, and with the request's
// headers as JSON at /headers; asked at /loads it makes requests itself, and /seen has the ids of those that came (load.go). `echo get URL`
// asks; `echo ask` does too, with a request and an answer in JSON; `echo call` does by gRPC (call.go). `echo doors` opens many ports of all
// kinds (doors.go), and `echo knock` tries them (knock.go).
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "listen" {
		listen(os.Args[2])
	} else if len(os.Args) == 3 && os.Args[1] == "get" {
		get(os.Args[2])
	} else if len(os.Args) == 2 && os.Args[1] == "ask" {
		ask()
	} else if len(os.Args) == 2 && os.Args[1] == "knock" {
		knock()
	} else if len(os.Args) == 2 && os.Args[1] == "call" {
		call()
	} else if len(os.Args) > 2 && os.Args[1] == "doors" {
		doors(os.Args[2:])
	} else {
		fail(fmt.Errorf("usage: echo listen PORT | echo get URL | echo ask|knock|call <JSON | echo doors PORT…"))
	}
}

func listen(port string) {
	came := &seen{}
	name, err := os.Hostname()
	check(err)
	handlers := map[string]http.HandlerFunc{
		"/headers": func(answer http.ResponseWriter, request *http.Request) {
			json.NewEncoder(answer).Encode(request.Header)
		},
		"/loads": (&loads{}).ServeHTTP,
		"/seen":  came.ServeHTTP,
	}
	server := &http.Server{Addr: ":" + port, Handler: http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		answer.Header().Set("X-Pod", name)
		if handle, known := handlers[request.URL.Path]; known {
			handle(answer, request)
			return
		}
		if strings.HasPrefix(request.URL.Path, "/load/") {
			came.note(request.Header.Get("X-Request-Id"))
		}
		fmt.Fprintf(answer, "port %s, from %s\n", port, request.RemoteAddr)
	})}
	ending, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		<-ending.Done()
		server.Close()
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fail(err)
	}
}

func get(url string) {
	client := http.Client{Timeout: 20 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		fail(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		fail(err)
	}
	if answer.StatusCode != http.StatusOK {
		fail(fmt.Errorf("status %d", answer.StatusCode))
	}
}

type question struct {
	Method, Url, Body string
	Headers           map[string]string
}

type reply struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

func ask() {
	var asked question
	check(json.NewDecoder(os.Stdin).Decode(&asked))
	request, err := http.NewRequest(asked.Method, asked.Url, strings.NewReader(asked.Body))
	check(err)
	for name, value := range asked.Headers {
		request.Header.Set(name, value)
	}
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
	}
	client := http.Client{
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	check(err)
	headers := map[string]string{}
	for name := range answer.Header {
		headers[strings.ToLower(name)] = answer.Header.Get(name)
	}
	check(json.NewEncoder(os.Stdout).Encode(reply{answer.StatusCode, headers, string(body)}))
}

func check(err error) {
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
