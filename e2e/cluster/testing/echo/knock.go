package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A door that is knocked at. Network is tcp or udp; `As` is an address that a datagram is to pretend to come from, which needs NET_RAW.
// What is said is an HTTP request unless given.
type door struct{ Network, Address, As, Say string }

const request = "GET / HTTP/1.1\r\nHost: door\r\nConnection: close\r\n\r\n"

// Nobody says that a datagram was thrown away: each one costs this time.
var patience = map[string]time.Duration{"tcp": 20 * time.Second, "udp": 3 * time.Second}

// `echo knock` reads doors as JSON, tries all at once, and says of each what came: the first line of an answer, or `refused`,
// `closed` (a connection that ends without a word), `mute` (one that stays without a word), `silent` (no connection, no datagram).
func knock() {
	var doors []door
	check(json.NewDecoder(os.Stdin).Decode(&doors))
	outcomes := make([]string, len(doors))
	var all sync.WaitGroup
	for index, each := range doors {
		all.Go(func() { outcomes[index] = outcomeAt(each) })
	}
	all.Wait()
	check(json.NewEncoder(os.Stdout).Encode(outcomes))
}

func outcomeAt(at door) string {
	if at.Say == "" {
		at.Say = request
	}
	if at.As != "" {
		check(forge(at))
		return "silent"
	}
	connection, err := net.DialTimeout(at.Network, at.Address, patience[at.Network])
	if err != nil {
		return doorFailure(err, "silent")
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(patience[at.Network]))
	if _, err := io.WriteString(connection, at.Say); err != nil {
		return doorFailure(err, "silent")
	}
	line, err := bufio.NewReader(connection).ReadString('\n')
	if line != "" {
		return strings.TrimSpace(line)
	}
	if at.Network == "udp" {
		return doorFailure(err, "silent")
	}
	return doorFailure(err, "mute")
}

func doorFailure(err error, late string) string {
	var network net.Error
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "refused"
	} else if errors.As(err, &network) && network.Timeout() {
		return late
	} else if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return "closed"
	}
	return err.Error()
}

// Sends a datagram over IPv4 whose sender is made up.
func forge(at door) error {
	target, err := net.ResolveUDPAddr("udp4", at.Address)
	if err != nil {
		return err
	}
	// IPv4: version and length of the header, time to live 64, protocol 17; the kernel fills in what is 0. UDP needs no checksum.
	packet := make([]byte, 28+len(at.Say))
	packet[0], packet[8], packet[9] = 0x45, 64, 17
	copy(packet[12:], net.ParseIP(at.As).To4())
	copy(packet[16:], target.IP.To4())
	binary.BigEndian.PutUint16(packet[20:], 53)
	binary.BigEndian.PutUint16(packet[22:], uint16(target.Port))
	binary.BigEndian.PutUint16(packet[24:], uint16(8+len(at.Say)))
	copy(packet[28:], at.Say)
	raw, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_RAW)
	if err != nil {
		return err
	}
	defer syscall.Close(raw)
	return syscall.Sendto(raw, packet, 0, &syscall.SockaddrInet4{Addr: [4]byte(target.IP.To4())})
}
